package lambda

import (
	"context"
	"encoding/base64"

	"naru/internal/wire"
)

type GetFunctionInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

type GetFunctionOutput struct {
	Configuration *FunctionConfiguration
	Code          *FunctionCodeLocation
	Tags          map[string]string
}

// FunctionCodeLocation says where a function's code can be had.
type FunctionCodeLocation struct {
	RepositoryType string
	Location       string
}

// GetFunction returns a function.
func (s *Service) GetFunction(ctx context.Context, in *GetFunctionInput) (*GetFunctionOutput, error) {
	f, c, err := s.described(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &GetFunctionOutput{c, &FunctionCodeLocation{"S3", wire.CallOf(ctx).Endpoint + s.codePath(f.Code)}, f.Tags}, nil
}

// described returns a function and what replies tell of it. Asked for $LATEST,
// they name it so.
func (s *Service) described(ctx context.Context, reference string, qualifier *string) (*Function, *FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, reference, qualifier)
	if err != nil {
		return nil, nil, err
	}
	f, err := s.function(n)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.configuration(f)
	if err == nil && n.qualifier != "" {
		c.FunctionArn = n.arn()
	}
	return f, c, err
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

// ListFunctions returns the caller's functions by name, 50 at a time.
func (s *Service) ListFunctions(ctx context.Context, in *ListFunctionsInput) (*ListFunctionsOutput, error) {
	c := wire.CallOf(ctx)
	most := 50
	if in.MaxItems != nil {
		if *in.MaxItems < 1 || *in.MaxItems > 10000 {
			return nil, violation(*in.MaxItems, "maxItems", "Member must have value between 1 and 10000")
		}
		most = min(most, int(*in.MaxItems))
	}
	from, err := base64.RawURLEncoding.DecodeString(deref(in.Marker))
	if err != nil {
		return nil, invalid("Invalid Marker.")
	}
	prefix := name{c.Account(), c.Region, "", ""}.key()
	out := &ListFunctionsOutput{Functions: []FunctionConfiguration{}}
	for _, f := range s.functions.From(prefix, prefix+string(from)) {
		if len(out.Functions) == most {
			marker := base64.RawURLEncoding.EncodeToString([]byte(f.Name))
			out.NextMarker = &marker
			break
		}
		configuration, err := s.configuration(f)
		if err != nil {
			return nil, err
		}
		if deref(in.FunctionVersion) == "ALL" {
			configuration.FunctionArn += ":" + latest
		}
		out.Functions = append(out.Functions, configuration.listed())
	}
	return out, nil
}
