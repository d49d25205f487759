package lambda

import (
	"context"

	"naru/internal/store"
)

// RecursionConfig says whether a function's recursive loops are stopped.
type RecursionConfig struct{ RecursiveLoop string }

// What becomes of a recursive loop.
const (
	loopTerminate = "Terminate"
	loopAllow     = "Allow"
)

type PutFunctionRecursionConfigInput struct {
	FunctionName  string `aws:",uri"`
	RecursiveLoop *string
}

// PutFunctionRecursionConfig says whether a function's recursive loops are
// stopped.
func (s *Service) PutFunctionRecursionConfig(ctx context.Context, in *PutFunctionRecursionConfigInput) (*RecursionConfig, error) {
	n, err := s.wholeFunction(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if in.RecursiveLoop == nil {
		return nil, violation(nil, "recursiveLoop", mustNotBeNull)
	}
	if err := enumerated(in.RecursiveLoop, "recursiveLoop", loopTerminate, loopAllow); err != nil {
		return nil, err
	}
	_, err = s.change(n, func(_ *store.Tx, f *Function) error {
		f.AllowLoops = *in.RecursiveLoop == loopAllow
		return nil
	})
	return &RecursionConfig{*in.RecursiveLoop}, err
}

type GetFunctionRecursionConfigInput struct {
	FunctionName string `aws:",uri"`
}

// GetFunctionRecursionConfig returns what PutFunctionRecursionConfig set.
func (s *Service) GetFunctionRecursionConfig(ctx context.Context, in *GetFunctionRecursionConfigInput) (*RecursionConfig, error) {
	n, err := s.wholeFunction(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	f, err := s.function(n)
	switch {
	case err != nil:
		return nil, err
	case f.AllowLoops:
		return &RecursionConfig{loopAllow}, nil
	}
	return &RecursionConfig{loopTerminate}, nil
}

// RuntimeManagement says when a version gets another patch of its runtime. Naru
// keeps it: functions run on what is at hand.
type RuntimeManagement struct {
	UpdateOn string
	Version  *string // ARN
}

// RuntimeManagementConfig is that in replies.
type RuntimeManagementConfig struct {
	FunctionArn       string
	RuntimeVersionArn *string
	UpdateRuntimeOn   string
}

type PutRuntimeManagementConfigInput struct {
	FunctionName      string  `aws:",uri"`
	Qualifier         *string `aws:",query"`
	RuntimeVersionArn *string
	UpdateRuntimeOn   *string
}

// PutRuntimeManagementConfig keeps when a version's runtime is to be updated.
func (s *Service) PutRuntimeManagementConfig(ctx context.Context, in *PutRuntimeManagementConfigInput) (*RuntimeManagementConfig, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if in.UpdateRuntimeOn == nil {
		return nil, violation(nil, "updateRuntimeOn", mustNotBeNull)
	}
	if err := enumerated(in.UpdateRuntimeOn, "updateRuntimeOn", "Auto", "Manual", "FunctionUpdate"); err != nil {
		return nil, err
	}
	if manual := *in.UpdateRuntimeOn == "Manual"; manual != (in.RuntimeVersionArn != nil) {
		return nil, invalid("You must specify a runtime version ARN if, and only if, you update the runtime manually.")
	}
	m := &RuntimeManagement{UpdateOn: *in.UpdateRuntimeOn, Version: in.RuntimeVersionArn}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.version(n); err != nil {
			return err
		}
		return s.runtimes.Put(tx, n.belonging(), m)
	})
	if err != nil {
		return nil, err
	}
	return m.told(n), nil
}

func (m *RuntimeManagement) told(n name) *RuntimeManagementConfig {
	return &RuntimeManagementConfig{FunctionArn: n.orLatest().arn(), RuntimeVersionArn: m.Version, UpdateRuntimeOn: m.UpdateOn}
}

type GetRuntimeManagementConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// GetRuntimeManagementConfig returns what PutRuntimeManagementConfig keeps.
func (s *Service) GetRuntimeManagementConfig(ctx context.Context, in *GetRuntimeManagementConfigInput) (*RuntimeManagementConfig, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if _, err := s.version(n); err != nil {
		return nil, err
	}
	m, ok := s.runtimes.Get(n.belonging())
	if !ok {
		m = &RuntimeManagement{UpdateOn: "Auto"}
	}
	return m.told(n), nil
}
