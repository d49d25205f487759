package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"naru/internal/lambda"
	"naru/internal/sandbox"
	"naru/internal/sigv4"
)

// The ports at which environments with networks of their own find the Runtime API
// and Naru.
const (
	apiPort    = 9001
	insidePort = 4566
)

// newLauncher returns what launches the environments of functions.
func newLauncher(c Config) (*sandbox.Launcher, error) {
	return sandbox.New(sandboxOptions(c))
}

func sandboxOptions(c Config) sandbox.Options {
	o := sandbox.Options{Mode: sandbox.Mode(c.Sandbox), Program: c.Helper, Log: c.Log, Private: private(c)}
	if c.Data == InMemory {
		o.Private = append(o.Private, os.TempDir()) // where code is unpacked
	}
	return o
}

// describeSandbox says how functions are confined.
func describeSandbox(l *sandbox.Launcher) string {
	switch {
	case l.Private():
		return "strict: namespaces, and no network but Naru"
	case l.Tier() == sandbox.Plain:
		return "none: functions run as plain processes of this user"
	}
	return l.Tier().String()
}

// ExplainSandbox tells an operator which sandboxes are possible here.
func ExplainSandbox(w io.Writer, helper []byte) {
	sandbox.Explain(w, sandbox.Options{Program: helper})
}

// launch starts the environment of a function.
func (s *server) launch(ctx context.Context, spec lambda.Spec) (lambda.Processes, error) {
	in := sandbox.Spec{
		Command: spec.Command, Others: spec.Extensions, Gate: spec.Gate, Dir: spec.Dir, Env: spec.Env, Memory: spec.Memory, Temp: spec.Temp,
		Doors: []sandbox.Door{{Port: apiPort, Variable: "AWS_LAMBDA_RUNTIME_API", Serve: spec.Serve}},
		Output: func(lines []sandbox.Line) {
			texts := make([]string, len(lines))
			for i, l := range lines {
				texts[i] = l.Text
			}
			spec.Output(texts)
		},
	}
	for _, m := range spec.Mounts {
		in.Mounts = append(in.Mounts, sandbox.Mount(m))
	}
	for _, link := range spec.Links {
		in.Links = append(in.Links, sandbox.Link(link))
	}
	if s.launcher.Private() {
		in.Doors = append(in.Doors, sandbox.Door{Port: insidePort, Serve: func(l net.Listener) {
			go s.inside.Serve(keyed{l, spec.KeyID}) // until the environment ends
		}})
	}
	e, err := s.launcher.Launch(ctx, in)
	var ended *sandbox.LaunchError
	if errors.As(err, &ended) {
		return nil, &lambda.Crash{How: exit(ended.Exit)}
	} else if err != nil {
		return nil, err
	}
	return processes{e}, nil
}

// processes are an environment as lambda sees it.
type processes struct{ *sandbox.Environment }

// Peak returns the most memory that the processes had at a time, in bytes.
func (p processes) Peak() int64 { return p.Usage().Peak }

// Exit says how the processes ended.
func (p processes) Exit() lambda.Exit {
	x := p.Environment.Exit()
	return lambda.Exit{How: exit(x), Extension: x.Other}
}

// exit says in AWS's words how an environment ended, "" for no reason.
func exit(x sandbox.Exit) string {
	switch {
	case x.OutOfMemory || x.OutOfProcesses:
		return "signal: " + syscall.SIGKILL.String()
	case x.Code == 0 && x.Signal == 0 && !x.Lost:
		return ""
	}
	return x.String()
}

// A keyed listener is one at which only requests are answered that are signed with
// a certain key.
type keyed struct {
	net.Listener
	keyID string
}

type keyOf struct{}

// withKey has requests know which key their listener demands.
func withKey(l net.Listener) context.Context {
	if k, ok := l.(keyed); ok {
		return context.WithValue(context.Background(), keyOf{}, k.keyID)
	}
	return context.Background()
}

// onlyOwn refuses requests that are not signed with the key that their listener
// demands, if it does.
func onlyOwn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want, ok := r.Context().Value(keyOf{}).(string); ok {
			signature, err := sigv4.Parse(r)
			if err != nil || signature == nil || signature.KeyID != want {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(http.StatusForbidden)
				_ = json.NewEncoder(w).Encode(map[string]string{"__type": "AccessDeniedException", "message": "A function that is strictly confined reaches Naru with its role's own credentials only."})
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// outsiders lets in connections that do not come from functions.
type outsiders struct {
	net.Listener
	launcher *sandbox.Launcher
}

// Accept returns the next connection that does not come from a function.
func (o outsiders) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil || !o.launcher.Inside(conn) {
			return conn, err
		}
		_ = conn.Close()
	}
}

// Runtimes are the names of the runtimes that functions can have.
func Runtimes() []string { return lambda.Runtimes() }
