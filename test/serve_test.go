package test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// refusesToStart wants naru serve to end with status 1 and one line that has
// all of the given words.
func refusesToStart(t *testing.T, env []string, args []string, words ...string) {
	t.Helper()
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)
	stdout, stderr, status := ended(t, env, args...)
	if status != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "naru: ") {
		t.Errorf("%v: status %d, output %q, errors %q", args, status, stdout, stderr)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			t.Errorf("%v: %q does not say %q", args, stderr, word)
		}
	}
}

func TestWhatKeepsNaruFromStarting(t *testing.T) {
	t.Parallel()
	n := start(t)
	foreign, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for _, name := range []string{filepath.Join(foreign, "thesis.tex"), file} {
		if err := os.WriteFile(name, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		env, args, words []string
	}{
		"ADataDirectoryInUse":       {nil, []string{"--data", n.data}, []string{n.data, "in use by another process"}},
		"AForeignDataDirectory":     {nil, []string{"--data", foreign}, []string{foreign, "not a Naru data directory", "thesis.tex"}},
		"ADataDirectoryThatIsAFile": {nil, []string{"--data", file}, []string{file, "not a directory"}},
		"APortInUse":                {nil, []string{"--data", "mem:", "--listen", n.listen}, []string{n.listen, "address already in use"}},
		"AnOperatorsPortInUse":      {nil, []string{"--data", "mem:", "--admin", n.admin}, []string{n.admin, "address already in use"}},
		"OpenToTheNetwork":          {nil, []string{"--data", "mem:", "--listen", "0.0.0.0:0"}, []string{"--auth enforce", "--open-network"}},
		"OperatorsOpenToTheNetwork": {nil, []string{"--data", "mem:", "--admin", "0.0.0.0:0"}, []string{"--auth enforce", "--open-network"}},
		"AnUnknownMode":             {nil, []string{"--data", "mem:", "--auth", "closed"}, []string{"closed"}},
		"ABadAccount":               {nil, []string{"--data", "mem:", "--account", "12"}, []string{`"12"`, "12 digits"}},
		"ABadPublicURL":             {nil, []string{"--data", "mem:", "--public-url", "naru.test"}, []string{"naru.test"}},
		"AnUnknownFlag":             {nil, []string{"--no-such-flag"}, []string{"--no-such-flag"}},
		"ABadVariable":              {[]string{"NARU_ALLOW_RESET=perhaps"}, []string{"--data", "mem:"}, []string{"NARU_ALLOW_RESET", "perhaps"}},
	} {
		t.Run(name, func(t *testing.T) { refusesToStart(t, c.env, c.args, c.words...) })
	}
	if text, err := os.ReadFile(filepath.Join(foreign, "thesis.tex")); err != nil || string(text) != "precious" {
		t.Errorf("the foreign directory was changed: %q, %v", text, err)
	}
}

func TestTheMasterKeyIsNeeded(t *testing.T) {
	t.Parallel()
	n := start(t)
	n.stop()
	key := filepath.Join(n.data, "master.key")
	if err := os.Rename(key, key+".elsewhere"); err != nil {
		t.Fatal(err)
	}
	refusesToStart(t, nil, []string{"--data", n.data}, "master key", "missing")
	n.flags = append(n.flags, "--master-key", key+".elsewhere")
	n.start()
}

func TestFlagsAreTakenFromTheEnvironment(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, stderr, status := ended(t, []string{"NARU_LISTEN=" + busy.Addr().String(), "NARU_DATA=mem:", "NARU_ADMIN=127.0.0.1:0"}, "serve")
	if status != 1 || !strings.Contains(stderr, busy.Addr().String()) {
		t.Errorf("status %d, errors %q", status, stderr)
	}
}

func TestAnIdleNaruIsSmall(t *testing.T) {
	t.Parallel()
	if n := start(t); n.resident() > 60<<20 {
		t.Errorf("it has %d bytes of memory", n.resident())
	}
}

func TestHealthAndOperators(t *testing.T) {
	t.Parallel()
	n := start(t)
	for _, path := range []string{"/_naru/health", "/_localstack/health"} {
		r := n.send(request{method: "GET", path: path})
		var body struct{ Services map[string]string }
		if err := json.Unmarshal(r.body, &body); err != nil || r.status != 200 || body.Services["sqs"] != "running" {
			t.Errorf("%s: %v", path, r)
		}
	}
	n.send(json10("ListQueues", "{}"))
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/metrics": `naru_api_requests_total{error="",operation="ListQueues",service="sqs"} 1`} {
		r := n.send(request{method: "GET", base: "http://" + n.admin, path: path})
		if r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: %v", path, r)
		}
	}
	for _, q := range []request{
		{method: "GET", base: "http://" + n.admin, path: "/debug/pprof/"}, // without --pprof
		{method: "POST", path: "/_naru/reset"},                            // without --allow-reset
		{method: "POST", path: "/moto-api/reset"},
		{method: "POST", path: "/_naru/clock"},
		{method: "GET", path: "/_naru/nothing"},
	} {
		if r := n.send(q); r.status != http.StatusNotFound {
			t.Errorf("%s %s: %v", q.method, q.path, r)
		}
	}
}

func TestResetWipesEverything(t *testing.T) {
	t.Parallel()
	n := start(t, "--allow-reset")
	for _, path := range []string{"/_naru/reset", "/moto-api/reset"} {
		makeQueue(t, n.user(), "wiped")
		makeRole(t, n.user(), "wiped", trustsLambda, allowAll)
		if r := n.send(request{method: "POST", path: path}); r.status != 200 {
			t.Fatalf("%s: %v", path, r)
		}
		out, err := n.user().sqs().ListQueues(background, &sqs.ListQueuesInput{})
		if err != nil || len(out.QueueUrls) > 0 {
			t.Errorf("after %s there is %v, %v", path, out, err)
		}
	}
}

func TestPagesOfOtherOriginsAndNamesGetNowhere(t *testing.T) {
	t.Parallel()
	n := start(t, "--allow-reset", "--allow-host", "naru.test", "--public-url", "https://queue.example:8443")
	made := 0
	try := func(host, admin string, header map[string]string) int {
		made++
		q := json10("CreateQueue", fmt.Sprintf(`{"QueueName":"made-%d"}`, made))
		if admin != "" {
			q = request{method: "GET", base: "http://" + n.admin, path: admin}
		}
		q.host = host
		for name, value := range header {
			if q.header == nil {
				q.header = map[string]string{}
			}
			q.header[name] = value
		}
		return n.send(q).status
	}
	for name, c := range map[string]struct {
		host   string
		header map[string]string
		status int
	}{
		"NoBrowser":             {"", nil, 200},
		"Localhost":             {"localhost:4566", nil, 200},
		"ASubdomainOfIt":        {"sqs.localhost", nil, 200},
		"AWSsName":              {"sqs.us-east-1.amazonaws.com", nil, 200},
		"AnAllowedHost":         {"naru.test:4566", nil, 200},
		"ThePublicURLsHost":     {"queue.example:8443", nil, 200},
		"TheConsole":            {n.listen, map[string]string{"Origin": "http://" + n.listen, "Sec-Fetch-Site": "same-origin"}, 200},
		"AReboundName":          {"evil.example", nil, 403},
		"AReboundNameAndOrigin": {"evil.example", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403},
		"ALookalike":            {"localhost.evil.example", nil, 403},
		"AForeignOrigin":        {"", map[string]string{"Origin": "http://evil.example"}, 403},
		"AFile":                 {"", map[string]string{"Origin": "null"}, 403},
		"AnotherPort":           {n.listen, map[string]string{"Origin": "http://127.0.0.1:1"}, 403},
		"CrossSite":             {"", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"SameSite":              {"", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			if got := try(c.host, "", c.header); got != c.status {
				t.Errorf("the API answers with %d, not %d", got, c.status)
			}
			host := c.host
			if host == n.listen {
				host = n.admin
				if c.status == 200 {
					return // another listener is another origin
				}
			}
			if got := try(host, "/metrics", c.header); got != c.status {
				t.Errorf("the operators' listener answers with %d, not %d", got, c.status)
			}
		})
	}
	out, err := n.user().sqs().ListQueues(background, &sqs.ListQueuesInput{})
	if err != nil || len(out.QueueUrls) != 7 {
		t.Errorf("there are %d queues, not those of the 7 requests that were let in: %v, %v", len(out.QueueUrls), out, err)
	}
	for _, path := range []string{"/_naru/reset", "/moto-api/reset", "/_naru/clock"} {
		if r := n.send(request{method: "POST", path: path, header: map[string]string{"Origin": "http://evil.example"}, body: []byte(`{"advance":1}`)}); r.status != 403 {
			t.Errorf("%s by a foreign page: %v", path, r)
		}
	}
}

// TestGarbageIsRefused sends what nobody should; Naru refuses all of it and
// goes on serving.
func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	n := start(t)
	huge := bytes.Repeat([]byte("x"), 9<<20)
	noise := make([]byte, 4096)
	rand.Read(noise)
	for name, q := range map[string]request{
		"NoiseAsJSON":        {method: "POST", path: "/", header: json10("SendMessage", "").header, body: noise},
		"NoiseAsAForm":       {method: "POST", path: "/", header: form("/").header, body: noise},
		"NoiseAsNothing":     {method: "POST", path: "/", body: noise},
		"NoiseForLambda":     {method: "POST", path: "/2015-03-31/functions", body: noise},
		"DeepJSON":           json10("SendMessage", strings.Repeat(`{"a":`, 100_000)),
		"DeepArrays":         json10("SendMessage", strings.Repeat(`[`, 100_000)),
		"HalfJSON":           json10("SendMessage", `{"QueueUrl":`),
		"WrongTypes":         json10("SendMessage", `{"QueueUrl":{},"MessageBody":[]}`),
		"HugeJSON":           json10("SendMessage", string(huge)),
		"HugeForm":           {method: "POST", path: "/", header: form("/").header, body: huge},
		"HugeCode":           {method: "POST", path: "/2015-03-31/functions", body: bytes.Repeat(huge, 8)},
		"ABadQuery":          {method: "GET", path: "/?%zz"},
		"ManyMembers":        form("/", "Action", "SendMessageBatch", "Version", sqsVersion, "SendMessageBatchRequestEntry.999999999.Id", "x"),
		"AnUnknownMethod":    {method: "BREW", path: "/"},
		"ASignatureOfNoise":  {method: "POST", path: "/", header: map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=é,=;,"}, body: noise},
		"APathOfDots":        {method: "GET", path: "/../../../etc/passwd"},
		"APathInLambda":      {method: "GET", path: "/2015-03-31/functions/..%2f..%2fetc%2fpasswd"},
		"AnUnknownService":   {method: "POST", path: "/", header: map[string]string{"X-Amz-Target": "DynamoDB_20120810.ListTables"}},
		"AnUnknownOperation": json10("Fly", "{}"),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := n.try(q)
			if err != nil && len(q.body) > 8<<20 {
				return // refused before it was sent
			}
			if err != nil || r.status/100 != 4 {
				t.Errorf("%v %v", r, err)
			}
		})
	}
	t.Run("NoHTTP", func(t *testing.T) {
		for range 20 {
			rand.Read(noise)
			c, err := net.Dial("tcp", n.listen)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Write(noise) // it may be refused before it was sent
			c.Close()
		}
	})
	makeQueue(t, n.user(), "still-serving")
}
