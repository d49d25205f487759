package lambda

import (
	"context"
	"net/http"

	"naru/internal/policy"
	"naru/internal/wire"
)

// Service returns Lambda's operations.
func (s *Service) Service() wire.Service {
	service := wire.Service{
		Name:      "lambda",
		MaxBody:   70_167_211,
		ErrorType: "User",
		Errors:    errorForms,
		Owns:      ownsPath,
	}
	for _, part := range [][]wire.Operation{s.functionOperations(), s.versionOperations()} {
		service.Operations = append(service.Operations, part...)
	}
	return service
}

const functionPath = "/2015-03-31/functions/{FunctionName}"

func (s *Service) functionOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateFunction", s.CreateFunction, s.needsCreate).At("POST", "/2015-03-31/functions", http.StatusCreated),
		wire.Op("ListFunctions", s.ListFunctions, needsAll[ListFunctionsInput]("ListFunctions")).At("GET", "/2015-03-31/functions", http.StatusOK),
		wire.Op("GetFunction", s.GetFunction, on(s, "GetFunction", func(in *GetFunctionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", functionPath, http.StatusOK),
		wire.Op("GetFunctionConfiguration", s.GetFunctionConfiguration, on(s, "GetFunctionConfiguration", func(in *GetFunctionConfigurationInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", functionPath+"/configuration", http.StatusOK),
		wire.Op("DeleteFunction", s.DeleteFunction, on(s, "DeleteFunction", func(in *DeleteFunctionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("DELETE", functionPath, http.StatusNoContent),
		wire.Op("UpdateFunctionCode", s.UpdateFunctionCode, onFunction(s, "UpdateFunctionCode", func(in *UpdateFunctionCodeInput) string { return in.FunctionName })).
			At("PUT", functionPath+"/code", http.StatusOK),
		wire.Op("UpdateFunctionConfiguration", s.UpdateFunctionConfiguration, s.needsUpdateConfiguration).
			At("PUT", functionPath+"/configuration", http.StatusOK),
		wire.Op("Invoke", s.Invoke, on(s, "InvokeFunction", func(in *InvokeInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("POST", functionPath+"/invocations", http.StatusOK),
		wire.Op("AddPermission", s.AddPermission, on(s, "AddPermission", func(in *AddPermissionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("POST", functionPath+"/policy", http.StatusCreated),
		wire.Op("RemovePermission", s.RemovePermission, on(s, "RemovePermission", func(in *RemovePermissionInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("DELETE", functionPath+"/policy/{StatementId}", http.StatusNoContent),
		wire.Op("GetPolicy", s.GetPolicy, on(s, "GetPolicy", func(in *GetPolicyInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", functionPath+"/policy", http.StatusOK),
	}
}

func (s *Service) versionOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("PublishVersion", s.PublishVersion, onFunction(s, "PublishVersion", func(in *PublishVersionInput) string { return in.FunctionName })).
			At("POST", functionPath+"/versions", http.StatusCreated),
		wire.Op("ListVersionsByFunction", s.ListVersionsByFunction, onFunction(s, "ListVersionsByFunction", func(in *ListVersionsByFunctionInput) string { return in.FunctionName })).
			At("GET", functionPath+"/versions", http.StatusOK),
		wire.Op("CreateAlias", s.CreateAlias, onFunction(s, "CreateAlias", func(in *CreateAliasInput) string { return in.FunctionName })).
			At("POST", functionPath+"/aliases", http.StatusCreated),
		wire.Op("GetAlias", s.GetAlias, onFunction(s, "GetAlias", func(in *GetAliasInput) string { return in.FunctionName })).
			At("GET", functionPath+"/aliases/{Name}", http.StatusOK),
		wire.Op("ListAliases", s.ListAliases, onFunction(s, "ListAliases", func(in *ListAliasesInput) string { return in.FunctionName })).
			At("GET", functionPath+"/aliases", http.StatusOK),
		wire.Op("UpdateAlias", s.UpdateAlias, onFunction(s, "UpdateAlias", func(in *UpdateAliasInput) string { return in.FunctionName })).
			At("PUT", functionPath+"/aliases/{Name}", http.StatusOK),
		wire.Op("DeleteAlias", s.DeleteAlias, onFunction(s, "DeleteAlias", func(in *DeleteAliasInput) string { return in.FunctionName })).
			At("DELETE", functionPath+"/aliases/{Name}", http.StatusNoContent),
	}
}

type needs[In any] = func(context.Context, *In) ([]policy.Request, error)

// on returns what an operation on a function, version or alias needs. It need
// not exist: who may not call it is not told whether it does.
func on[In any](s *Service, action string, of func(*In) (string, *string)) needs[In] {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		reference, qualifier := of(in)
		n, err := s.nameOf(ctx, reference, qualifier)
		if err != nil {
			return nil, err
		}
		d, err := s.documentOf(n)
		return []policy.Request{{Action: "lambda:" + action, Resource: n.arn(), Account: n.account, Policy: d}}, err
	}
}

// onFunction is on, for operations that concern a function as a whole.
func onFunction[In any](s *Service, action string, of func(*In) string) needs[In] {
	return on(s, action, func(in *In) (string, *string) { return of(in), nil })
}

// needsAll returns what an operation needs that is on no resource.
func needsAll[In any](action string) needs[In] {
	return func(context.Context, *In) ([]policy.Request, error) {
		return []policy.Request{{Action: "lambda:" + action, Resource: "*"}}, nil
	}
}

func (s *Service) needsCreate(ctx context.Context, in *CreateFunctionInput) ([]policy.Request, error) {
	n, err := s.newName(ctx, in)
	if err != nil {
		return nil, err
	}
	need := policy.Request{Action: "lambda:CreateFunction", Resource: n.arn(), Account: n.account}
	return append([]policy.Request{need}, policy.PassRole(in.Role, "lambda.amazonaws.com")...), nil
}

func (s *Service) needsUpdateConfiguration(ctx context.Context, in *UpdateFunctionConfigurationInput) ([]policy.Request, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	need := policy.Request{Action: "lambda:UpdateFunctionConfiguration", Resource: n.arn(), Account: n.account}
	return append([]policy.Request{need}, policy.PassRole(in.Role, "lambda.amazonaws.com")...), nil
}
