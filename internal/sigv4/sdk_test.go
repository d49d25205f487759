package sigv4

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:f"

// sdkCalls are calls by the SDK's clients, each with its own habits.
var sdkCalls = map[string]func(context.Context, aws.Config) error{
	"SQS JSON": func(ctx context.Context, c aws.Config) error {
		_, err := sqs.NewFromConfig(c).ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("a b/ü")})
		return err
	},
	"EventBridge JSON": func(ctx context.Context, c aws.Config) error {
		_, err := eventbridge.NewFromConfig(c).ListRules(ctx, &eventbridge.ListRulesInput{})
		return err
	},
	"Lambda with an ARN in the path": func(ctx context.Context, c aws.Config) error {
		_, err := lambda.NewFromConfig(c).ListTags(ctx, &lambda.ListTagsInput{Resource: aws.String(functionARN)})
		return err
	},
	"Lambda with a repeated parameter and no body": func(ctx context.Context, c aws.Config) error {
		_, err := lambda.NewFromConfig(c).UntagResource(ctx, &lambda.UntagResourceInput{
			Resource: aws.String(functionARN), TagKeys: []string{"b", "a b", "a+b", "a/b", ""}})
		return err
	},
	"Lambda with headers and a body": func(ctx context.Context, c aws.Config) error {
		_, err := lambda.NewFromConfig(c).Invoke(ctx, &lambda.InvokeInput{
			FunctionName: aws.String(functionARN), Qualifier: aws.String("$LATEST"), ClientContext: aws.String("e30="), Payload: []byte(`{"a":1}`)})
		return err
	},
	"STS presigned": func(ctx context.Context, c aws.Config) error {
		presigned, err := sts.NewPresignClient(sts.NewFromConfig(c)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return err
		}
		response, err := http.Get(presigned.URL)
		if err != nil {
			return err
		}
		return response.Body.Close()
	},
}

func TestCallsOfTheSDKVerify(t *testing.T) {
	for name, call := range sdkCalls {
		for _, token := range []string{"", "FwoGZXIvYXdzEJr//////////wEaDGV+/="} {
			t.Run(name+" token="+token, func(t *testing.T) {
				verdict := errors.New("no request came")
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					verdict = errors.Join(err, authenticate(r, body, testSecret, time.Now()))
					io.WriteString(w, "{}")
				}))
				defer server.Close()
				config := aws.Config{
					Region:       "us-east-1",
					BaseEndpoint: aws.String(server.URL),
					Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
						return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: testSecret, SessionToken: token}, nil
					}),
				}
				if err := errors.Join(call(t.Context(), config), verdict); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
