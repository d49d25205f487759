package server

import (
	"context"
	"syscall"

	"naru/internal/lambda"
	"naru/internal/sandbox"
)

// launch starts the environment of a function.
func (s *server) launch(ctx context.Context, spec lambda.Spec) (lambda.Processes, error) {
	e, err := s.launcher.Launch(ctx, sandbox.Spec{
		Command: spec.Command, Dir: spec.Dir, Env: spec.Env, Memory: spec.Memory,
		Output: func(lines []sandbox.Line) {
			texts := make([]string, len(lines))
			for i, l := range lines {
				texts[i] = l.Text
			}
			spec.Output(texts)
		},
	})
	if err != nil {
		return nil, err
	}
	return processes{e}, nil
}

// processes are an environment as lambda sees it.
type processes struct{ *sandbox.Environment }

// Peak returns the most memory that the processes had at a time, in bytes.
func (p processes) Peak() int64 { return p.Usage().Peak }

// Exit says in AWS's words how the runtime ended, "" for no reason.
func (p processes) Exit() string {
	x := p.Environment.Exit()
	switch {
	case x.OutOfMemory || x.OutOfProcesses:
		return "signal: " + syscall.SIGKILL.String()
	case x.Code == 0 && x.Signal == 0 && !x.Lost:
		return ""
	}
	return x.String()
}
