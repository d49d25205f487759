package runtimeapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is what the server saw of a request, which is also what it answers.
type seen struct {
	Method, Host, Path, Target, Body string
	From                             string `json:",omitempty"`
}

// newServer starts a server that answers what it sees and returns the
// variables with which functions find it.
func newServer(t *testing.T, showFrom bool) []string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s := seen{Method: r.Method, Host: r.Host, Path: r.URL.RequestURI(), Target: r.Header.Get("X-Amz-Target"), Body: string(body)}
		if showFrom {
			s.From = r.RemoteAddr
		}
		if err := json.NewEncoder(w).Encode(s); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return []string{"NARU_ENDPOINT=" + server.URL, "NARU_SERVICES=sqs,lambda,events,logs,monitoring,iam,sts,scheduler", "NARU_PASSTHROUGH=s3, ssm"}
}

// answer invokes the function and decodes what it returned.
func answer[T any](t *testing.T, p *process, payload string) (value T) {
	t.Helper()
	result := p.call(t, invocation(payload))
	if err := json.Unmarshal(result.Payload, &value); err != nil || result.FunctionError {
		t.Fatalf("the function answered %s: %v", result.Payload, err)
	}
	return value
}

func TestNodeRequestsToAWSAreLedToNaru(t *testing.T) {
	const host = "sqs.us-east-1.amazonaws.com"
	p := startNode(t, setup{handler: "endpoint.form", env: newServer(t, false)})
	p.ready(t)
	forms := map[string]seen{
		"get by text":              {Method: "GET", Host: host, Path: "/queue?a=1"},
		"get by URL, with options": {Method: "GET", Host: host, Path: "/queue"},
		"request by options":       {Method: "PUT", Host: "signed.amazonaws.com", Path: "/p", Body: "content"},
		"plain http":               {Method: "GET", Host: host, Path: "/"},
		"another port":             {Method: "GET", Host: host + ":8443", Path: "/"},
		"no agent":                 {Method: "GET", Host: host, Path: "/"},
		"no callback":              {Method: "GET", Host: host, Path: "/"},
		"SDK v2":                   {Method: "POST", Host: host, Path: "/", Target: "AmazonSQS.SendMessage", Body: "{}"},
		"SDK v3":                   {Method: "POST", Host: host, Path: "/", Target: "AmazonSQS.SendMessage", Body: "{}"},
		"elsewhere":                {Method: "GET", Host: "example.com", Path: "/elsewhere"},
		"fetch of text":            {Method: "GET", Host: host, Path: "/queue?a=1"},
		"fetch of URL":             {Method: "POST", Host: host, Path: "/", Target: "T", Body: "content"},
		"fetch of Request":         {Method: "POST", Host: host, Path: "/", Target: "T", Body: "content"},
		"fetch elsewhere":          {Method: "POST", Path: "/elsewhere", Body: "content"},
		"through import":           {Method: "GET", Host: host, Path: "/"},
	}
	for name, want := range forms {
		t.Run(name, func(t *testing.T) {
			got := answer[seen](t, p, fmt.Sprintf(`{"form":%q}`, name))
			if want.Host == "" {
				want.Host = got.Host // the server's own
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the server saw (-want +got):\n%s", diff)
			}
		})
	}
	fetched := startNode(t, setup{handler: "endpoint.fetched", env: newServer(t, false)})
	fetched.ready(t)
	want := `[200,true,"https://sqs.us-east-1.amazonaws.com/a?b","text/plain; charset=utf-8",true]`
	if got := string(fetched.call(t, invocation(`{}`)).Payload); got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	all := startNode(t, setup{handler: "endpoint.forms"})
	all.ready(t)
	if names := answer[[]string](t, all, `{}`); len(names) != len(forms) {
		t.Errorf("the handler knows the forms %q", names)
	}
}

func TestNodeModulesThatAreLoadedInAnyWayAreLedToNaru(t *testing.T) {
	env := newServer(t, false)
	want := seen{Method: "GET", Host: "sqs.us-east-1.amazonaws.com", Path: "/"}
	for _, handler := range []string{"endpoint-later.required", "endpoint-later.imported", "endpoint-later.builtin"} {
		t.Run(handler, func(t *testing.T) {
			p := startNode(t, setup{handler: handler, env: env})
			p.ready(t)
			for range 2 {
				if diff := cmp.Diff(want, answer[seen](t, p, `{}`)); diff != "" {
					t.Errorf("the server saw (-want +got):\n%s", diff)
				}
			}
			if lines := p.lines(t); len(lines) > 0 {
				t.Errorf("lines: %q", lines) // such as warnings
			}
		})
	}
	t.Run("endpoint-module.handler", func(t *testing.T) {
		p := startNode(t, setup{handler: "endpoint-module.handler", env: env})
		p.ready(t)
		for i, got := range answer[[]seen](t, p, `{}`) {
			want.Path = fmt.Sprintf("/%d", i+1)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the server saw (-want +got):\n%s", diff)
			}
		}
	})
}

func TestNodeRequestsForServicesThatNaruHasNotFail(t *testing.T) {
	env := newServer(t, false)
	for _, handler := range []string{"endpoint.refused", "endpoint.refusedFetch"} {
		p := startNode(t, setup{handler: handler, env: env})
		p.ready(t)
		got := answer[struct {
			Name, Code, Message string
			Retryable           bool
		}](t, p, `{}`)
		if got.Retryable || got.Code != "ServiceNotInNaru" || got.Name != got.Code ||
			!strings.HasPrefix(got.Message, `Naru does not have the AWS service "dynamodb" (host dynamodb.eu-west-1.amazonaws.com).`) {
			t.Errorf("%s: %+v", handler, got)
		}
	}
}

func TestNodeHostsOfAWS(t *testing.T) {
	const naru, out = "Naru", "out"
	want := map[string]string{
		"sqs.us-east-1.amazonaws.com":                     naru,
		"SQS.us-east-1.AmazonAWS.com":                     naru,
		"queue.amazonaws.com":                             naru,
		"us-east-1.queue.amazonaws.com":                   naru,
		"sqs.cn-north-1.amazonaws.com.cn":                 naru,
		"sqs-fips.us-gov-west-1.amazonaws.com":            naru,
		"sqs.us-east-1.api.aws":                           naru,
		"vpce-1a2b-3c4d.sqs.us-east-1.vpce.amazonaws.com": naru,
		"lambda.eu-central-1.amazonaws.com":               naru,
		"events.eu-central-1.amazonaws.com":               naru,
		"logs.eu-central-1.amazonaws.com":                 naru,
		"monitoring.eu-central-1.amazonaws.com":           naru,
		"iam.amazonaws.com":                               naru,
		"sts.amazonaws.com":                               naru,
		"sts.us-east-1.amazonaws.com":                     naru,
		"scheduler.eu-central-1.amazonaws.com":            naru,
		"dynamodb.us-east-1.amazonaws.com":                "dynamodb",
		"streams.dynamodb.us-east-1.amazonaws.com":        "dynamodb",
		"abc.execute-api.us-east-1.amazonaws.com":         "execute-api",
		"s3.amazonaws.com":                                out,
		"bucket.s3.us-east-1.amazonaws.com":               out,
		"bucket.s3.dualstack.us-east-1.amazonaws.com":     out,
		"ssm.us-east-1.amazonaws.com":                     out,
		"amazonaws.com":                                   out,
		"notamazonaws.com":                                out,
		"amazonaws.com.example.com":                       out,
		"example.com":                                     out,
	}
	var hosts []string
	for host := range want {
		hosts = append(hosts, fmt.Sprintf("%q", host))
	}
	p := startNode(t, setup{handler: "endpoint.reach", env: newServer(t, false)})
	p.ready(t)
	got := answer[map[string]string](t, p, `{"hosts":[`+strings.Join(hosts, ",")+`]}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("where requests go (-want +got):\n%s", diff)
	}
}

func TestNodeConnectionsToNaruAreKeptAndKeepNobodyWaiting(t *testing.T) {
	p := startNode(t, setup{handler: "endpoint.twice", env: newServer(t, true)})
	p.ready(t)
	first := answer[seen](t, p, `{}`)
	if again := answer[seen](t, p, `{}`); again.From != first.From {
		t.Errorf("requests came from %s and %s", first.From, again.From)
	}
}
