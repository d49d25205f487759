package server

import (
	"strings"
	"sync"
	"testing"
)

// exceptions are the members in which Naru and the SDK differ, each with the
// reason: service, operation, "in" or "out", and path. An operation of "*"
// stands for all of a service, and "*" at the beginning of a path for any path
// to the member, or none. What is below an exception is one, too. An exception
// that is none any more must go.
var exceptions = map[string]string{
	"sqs.ReceiveMessage.in.MessageSystemAttributeNames.(flattened)": "in queries AttributeName means both lists, whose names the operation joins",

	"lambda.InvokeWithResponseStream.out.EventStream": "the SDK hands out the stream by a method",

	"lambda.*.out.*.CapacityProviderConfig":                                       "Naru has no managed instances",
	"lambda.*.out.*.ConfigSha256":                                                 "of managed instances",
	"lambda.*.out.*.DurableConfig":                                                "Naru has no durable functions",
	"lambda.*.out.*.DurableExecutionArn":                                          "Naru has no durable functions",
	"lambda.*.out.*.FileSystemConfigs":                                            "Naru mounts no file systems",
	"lambda.*.out.*.ImageConfigResponse":                                          "Naru runs no container images",
	"lambda.*.out.*.Code.ImageUri":                                                "Naru runs no container images",
	"lambda.*.out.*.Code.ResolvedImageUri":                                        "Naru runs no container images",
	"lambda.*.out.*.Code.ResolvedS3Object":                                        "Naru keeps the code itself",
	"lambda.*.out.*.Content.ResolvedS3Object":                                     "Naru keeps the code itself",
	"lambda.*.out.*.Code.SourceKMSKeyArn":                                         "Naru has no KMS",
	"lambda.*.out.*.Code.Error":                                                   "the code is always there",
	"lambda.*.out.*.MasterArn":                                                    "of Lambda@Edge",
	"lambda.*.out.*.SigningJobArn":                                                "Naru does not sign code",
	"lambda.*.out.*.SigningProfileVersionArn":                                     "Naru does not sign code",
	"lambda.*.out.*.TenancyConfig":                                                "Naru does not isolate tenants",
	"lambda.*.out.*.VpcConfig.VpcId":                                              "Naru has no VPCs",
	"lambda.*.out.*.RuntimeVersionConfig.Error":                                   "there is one version of a runtime",
	"lambda.*.out.*.TagsError":                                                    "tags are always there",
	"lambda.*.out.*.AmazonManagedKafkaEventSourceConfig":                          "of event sources other than queues",
	"lambda.*.out.*.BisectBatchOnFunctionError":                                   "of event sources other than queues",
	"lambda.*.out.*.DocumentDBEventSourceConfig":                                  "of event sources other than queues",
	"lambda.*.out.*.MaximumRecordAgeInSeconds":                                    "of event sources other than queues",
	"lambda.*.out.*.ParallelizationFactor":                                        "of event sources other than queues",
	"lambda.*.out.*.Queues":                                                       "of event sources other than queues",
	"lambda.*.out.*.SelfManagedEventSource":                                       "of event sources other than queues",
	"lambda.*.out.*.SelfManagedKafkaEventSourceConfig":                            "of event sources other than queues",
	"lambda.*.out.*.SourceAccessConfigurations":                                   "of event sources other than queues",
	"lambda.*.out.*.StartingPosition":                                             "of event sources other than queues",
	"lambda.*.out.*.StartingPositionTimestamp":                                    "of event sources other than queues",
	"lambda.*.out.*.Topics":                                                       "of event sources other than queues",
	"lambda.*.out.*.TumblingWindowInSeconds":                                      "of event sources other than queues",
	"lambda.*.out.*.FilterCriteriaError":                                          "Naru has no KMS",
	"lambda.CreateEventSourceMapping.out.DestinationConfig":                       "of event sources other than queues",
	"lambda.GetEventSourceMapping.out.DestinationConfig":                          "of event sources other than queues",
	"lambda.UpdateEventSourceMapping.out.DestinationConfig":                       "of event sources other than queues",
	"lambda.DeleteEventSourceMapping.out.DestinationConfig":                       "of event sources other than queues",
	"lambda.ListEventSourceMappings.out.EventSourceMappings.DestinationConfig":    "of event sources other than queues",
	"lambda.CreateEventSourceMapping.out.LoggingConfig":                           "of event sources other than queues",
	"lambda.GetEventSourceMapping.out.LoggingConfig":                              "of event sources other than queues",
	"lambda.UpdateEventSourceMapping.out.LoggingConfig":                           "of event sources other than queues",
	"lambda.DeleteEventSourceMapping.out.LoggingConfig":                           "of event sources other than queues",
	"lambda.ListEventSourceMappings.out.EventSourceMappings.LoggingConfig":        "of event sources other than queues",
	"lambda.CreateEventSourceMapping.out.MaximumRetryAttempts":                    "of event sources other than queues",
	"lambda.GetEventSourceMapping.out.MaximumRetryAttempts":                       "of event sources other than queues",
	"lambda.UpdateEventSourceMapping.out.MaximumRetryAttempts":                    "of event sources other than queues",
	"lambda.DeleteEventSourceMapping.out.MaximumRetryAttempts":                    "of event sources other than queues",
	"lambda.ListEventSourceMappings.out.EventSourceMappings.MaximumRetryAttempts": "of event sources other than queues",
	"lambda.DeleteFunction.out.StatusCode":                                        "only what deletes in the background says 202",

	"events.*.out.*.ManagedBy":                         "of rules that AWS's services make",
	"events.*.in.Targets.AppSyncParameters":            "of targets that Naru does not have",
	"events.*.in.Targets.BatchParameters":              "likewise",
	"events.*.in.Targets.EcsParameters":                "likewise",
	"events.*.in.Targets.HttpParameters":               "likewise",
	"events.*.in.Targets.KinesisParameters":            "likewise",
	"events.*.in.Targets.RedshiftDataParameters":       "likewise",
	"events.*.in.Targets.RunCommandParameters":         "likewise",
	"events.*.in.Targets.SageMakerPipelineParameters":  "likewise",
	"events.*.out.Targets.AppSyncParameters":           "likewise",
	"events.*.out.Targets.BatchParameters":             "likewise",
	"events.*.out.Targets.EcsParameters":               "likewise",
	"events.*.out.Targets.HttpParameters":              "likewise",
	"events.*.out.Targets.KinesisParameters":           "likewise",
	"events.*.out.Targets.RedshiftDataParameters":      "likewise",
	"events.*.out.Targets.RunCommandParameters":        "likewise",
	"events.*.out.Targets.SageMakerPipelineParameters": "likewise",

	"scheduler.*.in.Target.EcsParameters":                "of targets that Naru does not have",
	"scheduler.*.in.Target.KinesisParameters":            "likewise",
	"scheduler.*.in.Target.SageMakerPipelineParameters":  "likewise",
	"scheduler.*.out.Target.EcsParameters":               "likewise",
	"scheduler.*.out.Target.KinesisParameters":           "likewise",
	"scheduler.*.out.Target.SageMakerPipelineParameters": "likewise",

	"logs.*.out.LogGroups.BearerTokenAuthenticationEnabled": "Naru has no bearer tokens",
	"logs.*.out.LogGroups.DataProtectionStatus":             "Naru has no data protection policies",
	"logs.*.out.LogGroups.InheritedProperties":              "of account policies, which Naru does not have",
	"logs.*.out.LogGroups.RetentionPolicyName":              "of account policies, which Naru does not have",
	"logs.*.out.LogGroups.KmsKeyId":                         "Naru has no KMS",
	"logs.PutLogEvents.in.Entity":                           "of Application Signals, which Naru does not have",
	"logs.PutLogEvents.out.RejectedEntityInfo":              "of Application Signals, which Naru does not have",

	"iam.*.out.*.RoleLastUsed.LastUsedDate":              "Naru does not track when roles are used",
	"iam.*.out.*.RoleLastUsed.Region":                    "Naru does not track when roles are used",
	"iam.*.out.*.PasswordLastUsed":                       "users have no passwords",
	"iam.*.in.OrderedOrganizationPolicyInputList":        "Naru has no organizations",
	"iam.*.out.*.OrganizationsDecisionDetail":            "Naru has no organizations",
	"iam.SimulatePrincipalPolicy.in.PolicyExclusionList": "not there yet",
	"iam.*.out.*.EvalDecisionDetails":                    "Naru tells the decision alone",
	"iam.*.out.*.SourceRoleTemplate":                     "Naru has no role templates",

	"sts.*.in.MinimumSessionTokenSize":   "tokens are as long as they must be",
	"sts.AssumeRole.in.ProvidedContexts": "of identity centers, which Naru does not have",
	"sts.*.out.SessionTokenSize":         "tokens are far below their limit",
	"sts.*.out.SessionTokenUtilization":  "tokens are far below their limit",
}

// An exempter knows which exceptions were needed.
type exempter struct {
	mu   sync.Mutex
	used map[string]bool
}

// exempt reports whether there is an exception for a member.
func (e *exempter) exempt(service, operation, direction, path string) bool {
	for ; path != ""; path = parent(path) {
		for _, of := range []string{operation, "*"} {
			for _, member := range suffixes(path) {
				key := strings.Join([]string{service, of, direction, member}, ".")
				if _, ok := exceptions[key]; ok {
					e.mu.Lock()
					e.used[key] = true
					e.mu.Unlock()
					return true
				}
			}
		}
	}
	return false
}

func parent(path string) string {
	return path[:max(0, strings.LastIndexByte(path, '.'))]
}

// suffixes returns a path and the patterns with "*" that it matches.
func suffixes(path string) []string {
	all := []string{path, "*." + path}
	for {
		_, rest, ok := strings.Cut(path, ".")
		if !ok {
			return all
		}
		path = rest
		all = append(all, "*."+path)
	}
}

// skipping returns what a grower skips of an operation's input or output.
func skipping(service, operation, direction string) func(string) bool {
	e := &exempter{used: map[string]bool{}}
	return func(path string) bool { return e.exempt(service, operation, direction, path) }
}

// check finds exceptions that were not needed.
func (e *exempter) check(t *testing.T) {
	t.Helper()
	for key, reason := range exceptions {
		if !e.used[key] {
			t.Errorf("%s is no exception: the SDK and Naru agree", key)
		}
		if reason == "" {
			t.Errorf("%s has no reason", key)
		}
	}
}
