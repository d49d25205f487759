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
		TooLarge:  "Request must be smaller than %d bytes for the %s operation",
		ErrorType: "User",
		Errors:    errorForms,
		Owns:      ownsPath,
	}
	for _, part := range [][]wire.Operation{
		s.functionOperations(), s.versionOperations(), s.concurrencyOperations(), s.managementOperations(), s.urlOperations(), s.codeSigningOperations(), s.layerOperations(), s.mappingOperations(),
	} {
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
		wire.Op("InvokeWithResponseStream", s.InvokeWithResponseStream, on(s, "InvokeFunction", func(in *InvokeWithResponseStreamInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("POST", "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", http.StatusOK),
		wire.Op("InvokeAsync", s.InvokeAsync, onFunction(s, "InvokeAsync", func(in *InvokeAsyncInput) string { return in.FunctionName })).
			At("POST", "/2014-11-13/functions/{FunctionName}/invoke-async", http.StatusAccepted),
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

const provisionedPath = "/2019-09-30/functions/{FunctionName}/provisioned-concurrency"

func (s *Service) concurrencyOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("GetAccountSettings", s.GetAccountSettings, needsAll[GetAccountSettingsInput]("GetAccountSettings")).At("GET", "/2016-08-19/account-settings", http.StatusOK),
		wire.Op("PutFunctionConcurrency", s.PutFunctionConcurrency, onFunction(s, "PutFunctionConcurrency", func(in *PutFunctionConcurrencyInput) string { return in.FunctionName })).
			At("PUT", "/2017-10-31/functions/{FunctionName}/concurrency", http.StatusOK),
		wire.Op("GetFunctionConcurrency", s.GetFunctionConcurrency, onFunction(s, "GetFunctionConcurrency", func(in *GetFunctionConcurrencyInput) string { return in.FunctionName })).
			At("GET", "/2019-09-30/functions/{FunctionName}/concurrency", http.StatusOK),
		wire.Op("DeleteFunctionConcurrency", s.DeleteFunctionConcurrency, onFunction(s, "DeleteFunctionConcurrency", func(in *DeleteFunctionConcurrencyInput) string { return in.FunctionName })).
			At("DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", http.StatusNoContent),
		wire.Op("PutProvisionedConcurrencyConfig", s.PutProvisionedConcurrencyConfig, on(s, "PutProvisionedConcurrencyConfig", func(in *PutProvisionedConcurrencyConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("PUT", provisionedPath, http.StatusAccepted),
		wire.Op("GetProvisionedConcurrencyConfig", s.GetProvisionedConcurrencyConfig, on(s, "GetProvisionedConcurrencyConfig", func(in *GetProvisionedConcurrencyConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", provisionedPath, http.StatusOK),
		wire.Op("ListProvisionedConcurrencyConfigs", s.ListProvisionedConcurrencyConfigs, onFunction(s, "ListProvisionedConcurrencyConfigs", func(in *ListProvisionedConcurrencyConfigsInput) string { return in.FunctionName })).
			At("GET", provisionedPath+"?List=ALL", http.StatusOK),
		wire.Op("DeleteProvisionedConcurrencyConfig", s.DeleteProvisionedConcurrencyConfig, on(s, "DeleteProvisionedConcurrencyConfig", func(in *DeleteProvisionedConcurrencyConfigInput) (string, *string) {
			return in.FunctionName, in.Qualifier
		})).
			At("DELETE", provisionedPath, http.StatusNoContent),
	}
}

const (
	tagsPath           = "/2017-03-31/tags/{Resource}"
	eventConfigPath    = "/2019-09-25/functions/{FunctionName}/event-invoke-config"
	recursionPath      = "/2024-08-31/functions/{FunctionName}/recursion-config"
	runtimePath        = "/2021-07-20/functions/{FunctionName}/runtime-management-config"
	resourcePolicyPath = "/2026-07-09/resource-policy/{ResourceArn}"
)

func (s *Service) managementOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("TagResource", s.TagResource, onTagged(s, "TagResource", func(in *TagResourceInput) (string, map[string]string, []string) { return in.Resource, in.Tags, nil })).
			At("POST", tagsPath, http.StatusNoContent),
		wire.Op("UntagResource", s.UntagResource, onTagged(s, "UntagResource", func(in *UntagResourceInput) (string, map[string]string, []string) {
			return in.Resource, nil, in.TagKeys
		})).
			At("DELETE", tagsPath, http.StatusNoContent),
		wire.Op("ListTags", s.ListTags, onTagged(s, "ListTags", func(in *ListTagsInput) (string, map[string]string, []string) { return in.Resource, nil, nil })).
			At("GET", tagsPath, http.StatusOK),
		wire.Op("PutFunctionEventInvokeConfig", s.PutFunctionEventInvokeConfig, on(s, "PutFunctionEventInvokeConfig", func(in *PutFunctionEventInvokeConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("PUT", eventConfigPath, http.StatusOK),
		wire.Op("UpdateFunctionEventInvokeConfig", s.UpdateFunctionEventInvokeConfig, on(s, "UpdateFunctionEventInvokeConfig", func(in *UpdateFunctionEventInvokeConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("POST", eventConfigPath, http.StatusOK),
		wire.Op("GetFunctionEventInvokeConfig", s.GetFunctionEventInvokeConfig, on(s, "GetFunctionEventInvokeConfig", func(in *GetFunctionEventInvokeConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", eventConfigPath, http.StatusOK),
		wire.Op("ListFunctionEventInvokeConfigs", s.ListFunctionEventInvokeConfigs, onFunction(s, "ListFunctionEventInvokeConfigs", func(in *ListFunctionEventInvokeConfigsInput) string { return in.FunctionName })).
			At("GET", eventConfigPath+"/list", http.StatusOK),
		wire.Op("DeleteFunctionEventInvokeConfig", s.DeleteFunctionEventInvokeConfig, on(s, "DeleteFunctionEventInvokeConfig", func(in *DeleteFunctionEventInvokeConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("DELETE", eventConfigPath, http.StatusNoContent),
		wire.Op("PutFunctionRecursionConfig", s.PutFunctionRecursionConfig, onFunction(s, "PutFunctionRecursionConfig", func(in *PutFunctionRecursionConfigInput) string { return in.FunctionName })).
			At("PUT", recursionPath, http.StatusOK),
		wire.Op("GetFunctionRecursionConfig", s.GetFunctionRecursionConfig, onFunction(s, "GetFunctionRecursionConfig", func(in *GetFunctionRecursionConfigInput) string { return in.FunctionName })).
			At("GET", recursionPath, http.StatusOK),
		wire.Op("PutRuntimeManagementConfig", s.PutRuntimeManagementConfig, on(s, "PutRuntimeManagementConfig", func(in *PutRuntimeManagementConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("PUT", runtimePath, http.StatusOK),
		wire.Op("GetRuntimeManagementConfig", s.GetRuntimeManagementConfig, on(s, "GetRuntimeManagementConfig", func(in *GetRuntimeManagementConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", runtimePath, http.StatusOK),
		wire.Op("PutResourcePolicy", s.PutResourcePolicy, onFunction(s, "PutResourcePolicy", func(in *PutResourcePolicyInput) string { return in.ResourceArn })).
			At("PUT", resourcePolicyPath, http.StatusOK),
		wire.Op("GetResourcePolicy", s.GetResourcePolicy, onFunction(s, "GetResourcePolicy", func(in *GetResourcePolicyInput) string { return in.ResourceArn })).
			At("GET", resourcePolicyPath, http.StatusOK),
		wire.Op("DeleteResourcePolicy", s.DeleteResourcePolicy, onFunction(s, "DeleteResourcePolicy", func(in *DeleteResourcePolicyInput) string { return in.ResourceArn })).
			At("DELETE", resourcePolicyPath, http.StatusNoContent),
	}
}

const urlPath = "/2021-10-31/functions/{FunctionName}/url"

func (s *Service) urlOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateFunctionUrlConfig", s.CreateFunctionUrlConfig, on(s, "CreateFunctionUrlConfig", func(in *CreateFunctionUrlConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("POST", urlPath, http.StatusCreated),
		wire.Op("GetFunctionUrlConfig", s.GetFunctionUrlConfig, on(s, "GetFunctionUrlConfig", func(in *GetFunctionUrlConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("GET", urlPath, http.StatusOK),
		wire.Op("UpdateFunctionUrlConfig", s.UpdateFunctionUrlConfig, on(s, "UpdateFunctionUrlConfig", func(in *UpdateFunctionUrlConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("PUT", urlPath, http.StatusOK),
		wire.Op("DeleteFunctionUrlConfig", s.DeleteFunctionUrlConfig, on(s, "DeleteFunctionUrlConfig", func(in *DeleteFunctionUrlConfigInput) (string, *string) { return in.FunctionName, in.Qualifier })).
			At("DELETE", urlPath, http.StatusNoContent),
		wire.Op("ListFunctionUrlConfigs", s.ListFunctionUrlConfigs, onFunction(s, "ListFunctionUrlConfigs", func(in *ListFunctionUrlConfigsInput) string { return in.FunctionName })).
			At("GET", urlPath+"s", http.StatusOK),
	}
}

const (
	mappingsPath = "/2015-03-31/event-source-mappings"
	mappingPath  = mappingsPath + "/{UUID}"
)

func (s *Service) mappingOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateEventSourceMapping", s.CreateEventSourceMapping, s.needsCreateMapping).At("POST", mappingsPath, http.StatusAccepted),
		wire.Op("GetEventSourceMapping", s.GetEventSourceMapping, onMapping(s, "GetEventSourceMapping", func(in *GetEventSourceMappingInput) (string, *string) { return in.UUID, nil })).
			At("GET", mappingPath, http.StatusOK),
		wire.Op("ListEventSourceMappings", s.ListEventSourceMappings, needsAll[ListEventSourceMappingsInput]("ListEventSourceMappings")).At("GET", mappingsPath, http.StatusOK),
		wire.Op("UpdateEventSourceMapping", s.UpdateEventSourceMapping, onMapping(s, "UpdateEventSourceMapping", func(in *UpdateEventSourceMappingInput) (string, *string) { return in.UUID, in.FunctionName })).
			At("PUT", mappingPath, http.StatusAccepted),
		wire.Op("DeleteEventSourceMapping", s.DeleteEventSourceMapping, onMapping(s, "DeleteEventSourceMapping", func(in *DeleteEventSourceMappingInput) (string, *string) { return in.UUID, nil })).
			At("DELETE", mappingPath, http.StatusAccepted),
	}
}

const (
	codeSigningsPath        = "/2020-04-22/code-signing-configs"
	codeSigningPath         = codeSigningsPath + "/{CodeSigningConfigArn}"
	functionCodeSigningPath = "/2020-06-30/functions/{FunctionName}/code-signing-config"
)

func (s *Service) codeSigningOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateCodeSigningConfig", s.CreateCodeSigningConfig, needsAll[CreateCodeSigningConfigInput]("CreateCodeSigningConfig")).At("POST", codeSigningsPath, http.StatusCreated),
		wire.Op("ListCodeSigningConfigs", s.ListCodeSigningConfigs, needsAll[ListCodeSigningConfigsInput]("ListCodeSigningConfigs")).At("GET", codeSigningsPath, http.StatusOK),
		wire.Op("GetCodeSigningConfig", s.GetCodeSigningConfig, onARN("GetCodeSigningConfig", func(in *GetCodeSigningConfigInput) string { return in.CodeSigningConfigArn })).
			At("GET", codeSigningPath, http.StatusOK),
		wire.Op("UpdateCodeSigningConfig", s.UpdateCodeSigningConfig, onARN("UpdateCodeSigningConfig", func(in *UpdateCodeSigningConfigInput) string { return in.CodeSigningConfigArn })).
			At("PUT", codeSigningPath, http.StatusOK),
		wire.Op("DeleteCodeSigningConfig", s.DeleteCodeSigningConfig, onARN("DeleteCodeSigningConfig", func(in *DeleteCodeSigningConfigInput) string { return in.CodeSigningConfigArn })).
			At("DELETE", codeSigningPath, http.StatusNoContent),
		wire.Op("ListFunctionsByCodeSigningConfig", s.ListFunctionsByCodeSigningConfig, onARN("ListFunctionsByCodeSigningConfig", func(in *ListFunctionsByCodeSigningConfigInput) string { return in.CodeSigningConfigArn })).
			At("GET", codeSigningPath+"/functions", http.StatusOK),
		wire.Op("PutFunctionCodeSigningConfig", s.PutFunctionCodeSigningConfig, onFunction(s, "PutFunctionCodeSigningConfig", func(in *PutFunctionCodeSigningConfigInput) string { return in.FunctionName })).
			At("PUT", functionCodeSigningPath, http.StatusOK),
		wire.Op("GetFunctionCodeSigningConfig", s.GetFunctionCodeSigningConfig, onFunction(s, "GetFunctionCodeSigningConfig", func(in *GetFunctionCodeSigningConfigInput) string { return in.FunctionName })).
			At("GET", functionCodeSigningPath, http.StatusOK),
		wire.Op("DeleteFunctionCodeSigningConfig", s.DeleteFunctionCodeSigningConfig, onFunction(s, "DeleteFunctionCodeSigningConfig", func(in *DeleteFunctionCodeSigningConfigInput) string { return in.FunctionName })).
			At("DELETE", functionCodeSigningPath, http.StatusNoContent),
	}
}

const (
	layersPath        = "/2018-10-31/layers"
	layerVersionsPath = layersPath + "/{LayerName}/versions"
	layerVersionPath  = layerVersionsPath + "/{VersionNumber}"
)

func (s *Service) layerOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("PublishLayerVersion", s.PublishLayerVersion, onLayer(s, "PublishLayerVersion", func(in *PublishLayerVersionInput) (string, *int64) { return in.LayerName, nil })).
			At("POST", layerVersionsPath, http.StatusCreated),
		wire.Op("GetLayerVersion", s.GetLayerVersion, onLayer(s, "GetLayerVersion", func(in *GetLayerVersionInput) (string, *int64) { return in.LayerName, &in.VersionNumber })).
			At("GET", layerVersionPath, http.StatusOK),
		wire.Op("GetLayerVersionByArn", s.GetLayerVersionByArn, func(_ context.Context, in *GetLayerVersionByArnInput) ([]policy.Request, error) {
			return s.layersNeed([]string{deref(in.Arn)})
		}).At("GET", layersPath+"?find=LayerVersion", http.StatusOK),
		wire.Op("ListLayers", s.ListLayers, needsAll[ListLayersInput]("ListLayers")).At("GET", layersPath, http.StatusOK),
		wire.Op("ListLayerVersions", s.ListLayerVersions, onLayer(s, "ListLayerVersions", func(in *ListLayerVersionsInput) (string, *int64) { return in.LayerName, nil })).
			At("GET", layerVersionsPath, http.StatusOK),
		wire.Op("DeleteLayerVersion", s.DeleteLayerVersion, onLayer(s, "DeleteLayerVersion", func(in *DeleteLayerVersionInput) (string, *int64) { return in.LayerName, &in.VersionNumber })).
			At("DELETE", layerVersionPath, http.StatusNoContent),
		wire.Op("AddLayerVersionPermission", s.AddLayerVersionPermission, onLayer(s, "AddLayerVersionPermission", func(in *AddLayerVersionPermissionInput) (string, *int64) { return in.LayerName, &in.VersionNumber })).
			At("POST", layerVersionPath+"/policy", http.StatusCreated),
		wire.Op("RemoveLayerVersionPermission", s.RemoveLayerVersionPermission, onLayer(s, "RemoveLayerVersionPermission", func(in *RemoveLayerVersionPermissionInput) (string, *int64) { return in.LayerName, &in.VersionNumber })).
			At("DELETE", layerVersionPath+"/policy/{StatementId}", http.StatusNoContent),
		wire.Op("GetLayerVersionPolicy", s.GetLayerVersionPolicy, onLayer(s, "GetLayerVersionPolicy", func(in *GetLayerVersionPolicyInput) (string, *int64) { return in.LayerName, &in.VersionNumber })).
			At("GET", layerVersionPath+"/policy", http.StatusOK),
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
	return s.needsMaking("lambda:CreateFunction", n, in.Role, in.Layers)
}

func (s *Service) needsUpdateConfiguration(ctx context.Context, in *UpdateFunctionConfigurationInput) ([]policy.Request, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return s.needsMaking("lambda:UpdateFunctionConfiguration", n, in.Role, in.Layers)
}

// needsMaking returns what giving a function a role and layers needs.
func (s *Service) needsMaking(action string, n name, role *string, layers []string) ([]policy.Request, error) {
	d, err := s.documentOf(n)
	if err != nil {
		return nil, err
	}
	all := []policy.Request{{Action: action, Resource: n.arn(), Account: n.account, Policy: d}}
	more, err := s.layersNeed(layers)
	return append(append(all, policy.PassRole(role, "lambda.amazonaws.com")...), more...), err
}
