package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"
)

// awsPolicies are the policies that AWS manages and that Naru knows, by path
// and name. They say what AWS's say of the services that Naru has.
var awsPolicies = map[string]string{
	"/service-role/AWSLambdaBasicExecutionRole": `{"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}`,

	"/service-role/AWSLambdaSQSQueueExecutionRole": `{"Effect": "Allow", "Resource": "*", "Action": [
		"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]}`,

	"/service-role/AWSLambdaRole": `{"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": ["*"]}`,

	"/AWSLambda_FullAccess": `{"Effect": "Allow", "Resource": "*", "Action": [
			"cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy",
			"iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles", "lambda:*", "logs:DescribeLogGroups"]},
		{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
		{"Effect": "Allow", "Action": ["logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents", "logs:StartLiveTail", "logs:StopLiveTail"],
			"Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/*"}`,

	"/AmazonSQSFullAccess": `{"Effect": "Allow", "Action": ["sqs:*"], "Resource": "*"}`,

	"/AmazonSQSReadOnlyAccess": `{"Effect": "Allow", "Resource": "*", "Action": [
		"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListDeadLetterSourceQueues", "sqs:ListQueues", "sqs:ListMessageMoveTasks", "sqs:ListQueueTags"]}`,

	"/CloudWatchLogsFullAccess": `{"Effect": "Allow", "Action": ["logs:*", "cloudwatch:GenerateQuery"], "Resource": "*"}`,

	"/CloudWatchFullAccess": `{"Effect": "Allow", "Action": ["cloudwatch:*", "logs:*", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole"], "Resource": "*"}`,

	"/AmazonEventBridgeFullAccess": `{"Sid": "EventBridgeActions", "Effect": "Allow", "Action": ["events:*", "schemas:*", "scheduler:*", "pipes:*"], "Resource": "*"},
		{"Sid": "IAMPassRoleAccessForEventBridge", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/*",
			"Condition": {"StringLike": {"iam:PassedToService": "events.amazonaws.com"}}},
		{"Sid": "IAMPassRoleAccessForScheduler", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/*",
			"Condition": {"StringLike": {"iam:PassedToService": "scheduler.amazonaws.com"}}}`,

	"/AdministratorAccess": `{"Effect": "Allow", "Action": "*", "Resource": "*"}`,

	"/IAMFullAccess": `{"Effect": "Allow", "Action": ["iam:*"], "Resource": "*"}`,

	"/PowerUserAccess": `{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
		{"Effect": "Allow", "Action": ["iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles"], "Resource": "*"}`,

	"/ReadOnlyAccess": `{"Effect": "Allow", "Resource": "*", "Action": [
		"cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*", "events:Describe*", "events:List*", "events:Test*",
		"iam:Generate*", "iam:Get*", "iam:List*", "iam:Simulate*", "lambda:Get*", "lambda:List*",
		"logs:Describe*", "logs:FilterLogEvents", "logs:Get*", "logs:ListTagsForResource", "logs:ListTagsLogGroup", "logs:StartQuery", "logs:StopQuery", "logs:TestMetricFilter",
		"scheduler:Get*", "scheduler:List*", "sqs:Get*", "sqs:List*", "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken"]}`,
}

// preload returns the policies that AWS manages by their ARNs.
func preload() map[string]*Policy {
	all := make(map[string]*Policy, len(awsPolicies))
	since := time.Date(2015, time.February, 6, 18, 40, 0, 0, time.UTC)
	for place, statements := range awsPolicies {
		at := strings.LastIndexByte(place, '/') + 1
		p := &Policy{Entity: Entity{Account: awsAccount, Name: place[at:], Path: place[:at], Created: since}}
		sum := sha256.Sum256([]byte(p.arn()))
		p.ID = policyKind.prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
		p.add(`{"Version": "2012-10-17", "Statement": [`+statements+`]}`, true, since)
		all[p.arn()] = p
	}
	return all
}
