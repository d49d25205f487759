package lambda

import (
	"context"
	"encoding/base64"
	"iter"
	"strings"

	"naru/internal/wire"
)

type GetFunctionInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

type GetFunctionOutput struct {
	Configuration *FunctionConfiguration
	Code          *FunctionCodeLocation
	Concurrency   *Concurrency
	Tags          map[string]string
}

// FunctionCodeLocation says where a function's code can be had.
type FunctionCodeLocation struct {
	RepositoryType string
	Location       string
}

// GetFunction returns a function, or a version of it.
func (s *Service) GetFunction(ctx context.Context, in *GetFunctionInput) (*GetFunctionOutput, error) {
	v, c, err := s.described(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, err := s.function(v.name())
	if err != nil {
		return nil, err
	}
	out := &GetFunctionOutput{Configuration: c, Code: &FunctionCodeLocation{"S3", wire.CallOf(ctx).Endpoint + s.codePath(v.Code)}, Tags: f.Tags}
	if f.Reserved != nil {
		out.Concurrency = &Concurrency{f.Reserved}
	}
	return out, nil
}

// described returns a version and what replies tell of it. Asked for by a
// qualifier, they name it so.
func (s *Service) described(ctx context.Context, reference string, qualifier *string) (*Version, *FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, reference, qualifier)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.version(n)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.configuration(v)
	if err != nil {
		return nil, nil, err
	}
	return v, c.at(n), nil
}

type GetFunctionConfigurationInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// GetFunctionConfiguration returns a function's configuration.
func (s *Service) GetFunctionConfiguration(ctx context.Context, in *GetFunctionConfigurationInput) (*FunctionConfiguration, error) {
	_, c, err := s.described(ctx, in.FunctionName, in.Qualifier)
	return c, err
}

type ListFunctionsInput struct {
	FunctionVersion *string `aws:",query"`
	Marker          *string `aws:",query"`
	MasterRegion    *string `aws:",query"`
	MaxItems        *int32  `aws:",query"`
}

type ListFunctionsOutput struct {
	Functions  []FunctionConfiguration
	NextMarker *string
}

// ListFunctions returns the caller's functions by name, 50 at a time; or all of
// their versions.
func (s *Service) ListFunctions(ctx context.Context, in *ListFunctionsInput) (*ListFunctionsOutput, error) {
	c := wire.CallOf(ctx)
	if err := enumerated(in.FunctionVersion, "functionVersion", "ALL"); err != nil {
		return nil, err
	}
	if err := outside(in.MaxItems, "maxItems", 1, 10000); err != nil {
		return nil, err
	}
	most := 50
	if in.MaxItems != nil {
		most = min(most, int(*in.MaxItems))
	}
	from, err := base64.RawURLEncoding.DecodeString(deref(in.Marker))
	if err != nil {
		return nil, invalid("Invalid Marker.")
	}
	prefix := name{c.Account(), c.Region, "", ""}.key()
	out := &ListFunctionsOutput{Functions: []FunctionConfiguration{}}
	for v := range s.versionsFrom(prefix, prefix+string(from), in.FunctionVersion != nil) {
		if len(out.Functions) == most {
			marker := base64.RawURLEncoding.EncodeToString([]byte(strings.TrimPrefix(v.key(), prefix)))
			out.NextMarker = &marker
			break
		}
		configuration, err := s.configuration(v)
		if err != nil {
			return nil, err
		}
		if in.FunctionVersion != nil {
			configuration.at(v.qualified())
		}
		out.Functions = append(out.Functions, configuration.listed())
	}
	return out, nil
}

// versionsFrom returns the versions, or only those that are $LATEST, whose
// functions' keys begin with prefix, by their own keys, from one on.
func (s *Service) versionsFrom(prefix, from string, all bool) iter.Seq[*Version] {
	function, _, _ := strings.Cut(strings.TrimPrefix(from, prefix), "/")
	return func(yield func(*Version) bool) {
		for key, f := range s.functions.From(prefix, prefix+function) {
			first := f.Name == function // of which some may have been told already
			if (!first || f.key() >= from) && !yield(&f.Version) {
				return
			}
			if !all {
				continue
			}
			for key, v := range s.versions.All(key + "/") {
				if (!first || key >= from) && !yield(v) {
					return
				}
			}
		}
	}
}
