package test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A lambdaError is a request and how AWS was recorded to refuse it. In texts
// ARN: stands for the beginning of ARNs, and SHA for the code's CodeSha256.
type lambdaError struct {
	what         string
	method, path string
	body         string
	status       int
	code         string
	message      string
	bare         bool // it does not say whose fault it is
}

const (
	lambdaARN  = "arn:aws:lambda:us-east-1:" + account + ":"
	notFound   = "ResourceNotFoundException"
	invalid    = "InvalidParameterValueException"
	validation = "ValidationException"
	conflict   = "ResourceConflictException"
	stale      = "PreconditionFailedException"
	noResource = "The resource you requested does not exist."
	mismatch   = "The derived qualifier from the function name does not match the specified qualifier."
	noTags     = "Tags on function aliases and versions are not supported. Please specify a function ARN."
	tooOld     = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
	tooOldP    = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id"
	tooOldL    = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
	functions  = "/2015-03-31/functions/"
	taggable   = `arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)`
	layerARNs  = `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`
	failed     = "1 validation error detected: Value '"
	pattern    = "failed to satisfy constraint: Member must satisfy regular expression pattern: "
	weights    = "routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]"
)

// recordedLambda says how AWS refuses what. There are the functions f, with
// versions 1 and 2 and the alias custom, and other, without any; and the layer l
// with version 1 and a policy with statement s1.
func recordedLambda() []lambdaError {
	var all []lambdaError
	for _, part := range [][]lambdaError{
		recordedOfFunctions(), recordedOfVersions(), recordedOfAliases(), recordedOfPermissions(), recordedOfTags(),
		recordedOfEventConfigs(), recordedOfConcurrency(), recordedOfURLs(), recordedOfSigning(), recordedOfLayers(), recordedOfLayersOfFunctions(),
	} {
		all = append(all, part...)
	}
	return all
}

func newFunctionBody(more string) string {
	return `{"FunctionName":"new","Role":"` + anyRole + `","Runtime":"nodejs20.x","Handler":"index.handler","Code":{"ZipFile":"ZIP"}` + more + `}`
}

func recordedOfFunctions() []lambdaError {
	wrongRegion := "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')"
	elsewhere := functions + "arn:aws:lambda:ap-southeast-1:" + account + ":function:f"
	create := func(what, body string, status int, code, message string, bare bool) lambdaError {
		return lambdaError{what, "POST", "/2015-03-31/functions", body, status, code, message, bare}
	}
	arch := "failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
	return []lambdaError{
		{"get missing", "GET", functions + "nope", "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"get configuration of missing", "GET", functions + "nope/configuration", "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"delete missing", "DELETE", functions + "nope", "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"get missing version", "GET", functions + "f?Qualifier=1221", "", 404, notFound, "Function not found: ARN:function:f:1221", false},
		{"get $LATEST of missing", "GET", functions + "nope?Qualifier=$LATEST", "", 404, notFound, "Function not found: ARN:function:nope:$LATEST", false},
		{"get with two qualifiers", "GET", functions + "ARN:function:f:1?Qualifier=$LATEST", "", 400, invalid, mismatch, false},
		{"delete with two qualifiers", "DELETE", functions + "ARN:function:f:1?Qualifier=$LATEST", "", 400, invalid, mismatch, false},
		{"delete $LATEST", "DELETE", functions + "ARN:function:f:$LATEST?Qualifier=$LATEST", "", 400, invalid, "$LATEST version cannot be deleted without deleting the function.", false},
		{"delete version of missing", "DELETE", functions + "nope?Qualifier=2", "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"another region", "GET", elsewhere, "", 404, notFound, wrongRegion, false},
		{"invoke in another region", "POST", elsewhere + "/invocations", "{}", 404, notFound, wrongRegion, false},
		{"invoke missing", "POST", functions + "nope/invocations", "{}", 404, notFound, "Function not found: ARN:function:nope:$LATEST", false},
		{"invoke missing alias", "POST", functions + "f/invocations?Qualifier=non-existent-alias", "{}", 404, notFound, "Function not found: ARN:function:f:non-existent-alias", false},
		{"invoke no function", "POST", functions + "arn:aws:lambda:us-east-1:123400000000@function:myfn/invocations", "{}", 400, validation,
			failed + "arn:aws:lambda:us-east-1:123400000000@function:myfn' at 'functionName' " + pattern + `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`, true},
		{"invoke with no JSON", "POST", functions + "f/invocations", "n\x87r\x9e", 400, "InvalidRequestContentException",
			"Could not parse request body into json: Could not parse payload into json: Invalid UTF-8 start byte 0x87\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 3]", false},
		{"invoke with a control character", "POST", functions + "f/invocations", "\x99\xeb,j\x07", 400, "InvalidRequestContentException",
			"Could not parse request body into json: Could not parse payload into json: Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1]", false},
		create("no role", `{"FunctionName":"new","Role":"r1","Runtime":"nodejs20.x","Handler":"index.handler","Code":{"ZipFile":"ZIP"}}`, 400, validation,
			failed+"r1' at 'role' "+pattern+`arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`, true),
		create("two architectures", newFunctionBody(`,"Architectures":["x86_64","arm64"]`), 400, validation,
			failed+"[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1", true),
		create("no architecture", newFunctionBody(`,"Architectures":["X86_64"]`), 400, validation, failed+"[X86_64]' at 'architectures' "+arch, true),
		create("no zip file", strings.Replace(newFunctionBody(""), "ZIP", base64.StdEncoding.EncodeToString([]byte("no zip")), 1), 400, invalid,
			"Could not unzip uploaded file. Please check your file, then try to upload again.", false),
		create("no function name", strings.Replace(newFunctionBody(""), `"new"`, `"invalid:function:name"`, 1), 400, validation,
			failed+"invalid:function:name' at 'functionName' "+pattern+`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`, true),
		create("a long name", strings.Replace(newFunctionBody(""), `"new"`, `"`+strings.Repeat("a", 65)+`"`, 1), 400, invalid,
			failed+strings.Repeat("a", 65)+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64", false),
		create("a long ARN", strings.Replace(newFunctionBody(""), `"new"`, `"ARN:function:`+strings.Repeat("a", 140)+`"`, 1), 400, validation,
			failed+"ARN:function:"+strings.Repeat("a", 140)+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 140", true),
		create("large variables", newFunctionBody(`,"Environment":{"Variables":{"LARGE_VAR":"`+strings.Repeat("x", 4081)+`"}}`), 400, invalid,
			`Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"LARGE_VAR":"`+strings.Repeat("x", 4081)+`"}`, false),
		create("no snapshots", newFunctionBody(`,"SnapStart":{"ApplyOn":"invalidOption"}`), 400, validation,
			failed+"invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: Member must satisfy enum value set: [PublishedVersions, None]", true),
		create("no bucket", strings.Replace(newFunctionBody(""), `"ZipFile":"ZIP"`, `"S3Bucket":"b","S3Key":"k"`, 1), 400, invalid,
			"Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist", false),
		{"update without a bucket", "PUT", functions + "f/code", `{"S3Bucket":"b","S3Key":"k"}`, 400, invalid, "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist", false},
		{"update to an image", "PUT", functions + "f/code", `{"ImageUri":"i"}`, 400, invalid, "Please don't provide ImageUri when updating a function with packageType Zip.", false},
		{"update to no role", "PUT", functions + "f/configuration", `{"Role":"r1"}`, 400, validation, failed + "r1' at 'role' " + pattern + `arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`, true},
		{"list no versions", "GET", "/2015-03-31/functions?FunctionVersion=invalid", "", 400, validation, failed + "invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]", true},
		{"update of another revision", "PUT", functions + "f/configuration", `{"Description":"d","RevisionId":"wrong"}`, 412, stale, tooOld, false},
		{"update code of another revision", "PUT", functions + "f/code", `{"ZipFile":"ZIP","RevisionId":"wrong"}`, 412, stale, tooOld, false},
	}
}

func recordedOfVersions() []lambdaError {
	return []lambdaError{
		{"publish another revision", "POST", functions + "f/versions", `{"RevisionId":"wrong"}`, 412, stale, tooOld, false},
		{"publish other code", "POST", functions + "f/versions", `{"CodeSha256":"somenonexistentsha256"}`, 400, invalid,
			"CodeSHA256 (somenonexistentsha256) is different from current CodeSHA256 in $LATEST (SHA). Please try again with the CodeSHA256 in $LATEST.", false},
	}
}

func recordedOfAliases() []lambdaError {
	create := func(what, body string, status int, code, message string, bare bool) lambdaError {
		return lambdaError{what, "POST", functions + "f/aliases", body, status, code, message, bare}
	}
	routed := func(version, weights string) string {
		return `{"Name":"new","FunctionVersion":"` + version + `","RoutingConfig":{"AdditionalVersionWeights":` + weights + `}}`
	}
	return []lambdaError{
		{"get function by missing alias", "GET", functions + "f?Qualifier=aliasdoesnotexist", "", 404, notFound, "Function not found: ARN:function:f:aliasdoesnotexist", false},
		create("too many weights", routed("1", `{"2":0.5,"1":0.5}`), 400, invalid, "Number of items in AdditionalVersionWeights cannot be greater than 1", false),
		create("a weight too high", routed("1", `{"2":2}`), 400, validation, failed+"{2=2.0}' at '"+weights, true),
		create("a weight below zero", routed("1", `{"2":-1}`), 400, validation, failed+"{2=-1.0}' at '"+weights, true),
		create("one version twice", routed("1", `{"1":0.5}`), 400, invalid, "Invalid function version 1. Function version 1 is already included in routing configuration.", false),
		create("a missing version", `{"Name":"new","FunctionVersion":"10"}`, 404, notFound, "Function not found: ARN:function:f:10", false),
		create("a weight of a missing version", routed("1", `{"10":0.5}`), 404, notFound, "Function not found: ARN:function:f:10", false),
		create("$LATEST with weights", routed("$LATEST", `{"1":0.5}`), 400, invalid, "$LATEST is not supported for an alias pointing to more than 1 version", true),
		create("a weight of $LATEST", routed("1", `{"$LATEST":0.5}`), 400, validation,
			failed+"{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]", true),
		{"alias of a missing function", "POST", functions + "f-unknown/aliases", `{"Name":"new","FunctionVersion":"1"}`, 404, notFound, "Function not found: ARN:function:f-unknown:1", false},
		create("an alias that is there", `{"Name":"custom","FunctionVersion":"1"}`, 409, conflict, "Alias already exists: ARN:function:f:custom", false),
		create("a number", `{"Name":"2024","FunctionVersion":"1"}`, 400, validation, failed+"2024' at 'name' "+pattern+"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", true),
		{"a missing alias", "GET", functions + "f/aliases/non-existent", "", 404, notFound, "Cannot find alias arn: ARN:function:f:non-existent", false},
		{"updating a missing alias", "PUT", functions + "f/aliases/non-existent", `{"FunctionVersion":"1"}`, 404, notFound, "Alias not found: ARN:function:f:non-existent", false},
		{"updating another revision of an alias", "PUT", functions + "f/aliases/custom", `{"FunctionVersion":"1","RevisionId":"wrong"}`, 412, stale, tooOld, false},
	}
}

func recordedOfPermissions() []lambdaError {
	add := func(what, path, sid, more string, status int, code, message string, bare bool) lambdaError {
		return lambdaError{what, "POST", functions + path, `{"Action":"lambda:InvokeFunction","Principal":"events.amazonaws.com","StatementId":"` + sid + `"` + more + `}`, status, code, message, bare}
	}
	return []lambdaError{
		add("no statement id", "f/policy", "example.com", "", 400, validation, failed+"example.com' at 'statementId' "+pattern+"([a-zA-Z0-9-_]+)", true),
		add("two qualifiers", "ARN:function:f:custom/policy?Qualifier=1", "s", "", 400, invalid, mismatch, false),
		add("to $LATEST", "f/policy?Qualifier=$LATEST", "s", "", 400, invalid, "We currently do not support adding policies for $LATEST.", false),
		{"no principal", "POST", functions + "f/policy", `{"Action":"lambda:InvokeFunction","Principal":"invalid.nonaws.com","StatementId":"s"}`, 400, invalid, "The provided principal was invalid. Please check the principal and try again.", false},
		add("to a missing function", "doesnotexist/policy", "s", "", 404, notFound, "Function not found: ARN:function:doesnotexist", false),
		add("to a missing alias", "f/policy?Qualifier=alias-doesnotexist", "s", "", 404, notFound, "Cannot find alias arn: ARN:function:f:alias-doesnotexist", false),
		add("to a missing version", "f/policy?Qualifier=42", "s", "", 404, notFound, "Function not found: ARN:function:f:42", false),
		add("to no qualifier", "f/policy?Qualifier=invalid-qualifier-with-%3F-char", "s", "", 400, validation, failed+"invalid-qualifier-with-?-char' at 'qualifier' "+pattern+`\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+`, true),
		add("to a qualifier with $", "f/policy?Qualifier=valid-with-$-but-doesnotexist", "s", "", 404, notFound, "Function not found: ARN:function:f:valid-with-$-but-doesnotexist", false),
		add("again", "f/policy", "s3", "", 409, conflict, "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement.", false),
		add("to another revision", "f/policy", "s4", `,"RevisionId":"wrong"`, 412, stale, tooOldP, false),
		add("first, to another revision", "other/policy", "s4", `,"RevisionId":"wrong"`, 412, stale, tooOld, false),
		{"policy of a missing function", "GET", functions + "doesnotexist/policy", "", 404, notFound, noResource, false},
		{"policy of a missing version", "GET", functions + "f/policy?Qualifier=42", "", 404, notFound, noResource, false},
		{"policy of a version without", "GET", functions + "f/policy?Qualifier=2", "", 404, notFound, noResource, false},
		{"removing from none", "DELETE", functions + "other/policy/s", "", 404, notFound, "No policy is associated with the given resource.", false},
		{"removing what is not there", "DELETE", functions + "f/policy/non-existent", "", 404, notFound, "Statement non-existent is not found in resource policy.", false},
		{"removing from a missing function", "DELETE", functions + "doesnotexist/policy/s", "", 404, notFound, "No policy found for: ARN:function:doesnotexist", false},
		{"removing from a missing alias", "DELETE", functions + "f/policy/s?Qualifier=alias-doesnotexist", "", 404, notFound, "Cannot find alias arn: ARN:function:f:alias-doesnotexist", false},
		{"removing from another revision", "DELETE", functions + "f/policy/s3?RevisionId=wrong", "", 412, stale, tooOld, false},
	}
}

func recordedOfTags() []lambdaError {
	at := func(arn string) string { return "/2017-03-31/tags/" + arn }
	many := func(n int) string {
		tags := map[string]string{}
		for k := range n {
			tags["k"+string(rune('A'+k/26))+string(rune('a'+k%26))] = "v"
		}
		text, err := json.Marshal(map[string]any{"Tags": tags})
		if err != nil {
			panic(err) // a map of texts
		}
		return string(text)
	}
	return []lambdaError{
		{"tag missing", "POST", at("ARN:function:nope"), `{"Tags":{"a":"b"}}`, 404, notFound, "Function not found: ARN:function:nope", false},
		{"untag missing", "DELETE", at("ARN:function:nope?tagKeys=a"), "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"list tags of missing", "GET", at("ARN:function:nope"), "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"tag something", "POST", at("arn:aws:something"), `{"Tags":{"a":"b"}}`, 400, validation, failed + "arn:aws:something' at 'resource' " + pattern + taggable, true},
		{"tag a foobar", "GET", at("ARN:foobar:f"), "", 400, validation, failed + "ARN:foobar:f' at 'resource' " + pattern + taggable, true},
		{"tag a version", "POST", at("ARN:function:f:1"), `{"Tags":{"a":"b"}}`, 400, invalid, noTags, false},
		{"tag $LATEST", "POST", at("ARN:function:f:$LATEST"), `{"Tags":{"a":"b"}}`, 400, invalid, noTags, false},
		{"untag nothing", "DELETE", at("ARN:function:f"), "", 400, validation, "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null", true},
		{"tag with nothing", "POST", at("ARN:function:f"), `{"Tags":{}}`, 400, invalid, "An error occurred and the request cannot be processed.", false},
		{"tag too much", "POST", at("ARN:function:f"), many(51), 400, invalid, "Number of tags exceeds resource tag limit.", false},
		{"create with too many tags", "POST", "/2015-03-31/functions", newFunctionBody("," + strings.Trim(many(51), "{}") + "}"), 400, invalid, "Number of tags exceeds resource tag limit.", false},
		{"tags of a missing mapping", "GET", at("ARN:event-source-mapping:01234567-0123-0123-0123-0123456789ab"), "", 404, notFound, "Event source mapping not found: ARN:event-source-mapping:01234567-0123-0123-0123-0123456789ab", false},
		{"tags of a missing provider", "GET", at("ARN:capacity-provider:p"), "", 404, notFound, "Capacity provider not found: ARN:capacity-provider:p", false},
	}
}

func recordedOfEventConfigs() []lambdaError {
	at := func(rest string) string { return "/2019-09-25/functions/" + rest }
	put := func(what, rest, body string, status int, code, message string, bare bool) lambdaError {
		return lambdaError{what, "PUT", at(rest), body, status, code, message, bare}
	}
	to := func(arn string) string { return `{"DestinationConfig":{"OnSuccess":{"Destination":"` + arn + `"}}}` }
	const none = " doesn't have an EventInvokeConfig"
	return []lambdaError{
		put("event config of missing", "nope/event-invoke-config", `{"MaximumRetryAttempts":0}`, 404, notFound, "The function doesn't exist.", false),
		put("event config of a missing alias", "f/event-invoke-config?Qualifier=doesnotexist", `{"MaximumRetryAttempts":0}`, 404, notFound, "The function doesn't exist.", false),
		put("event config of nothing", "f/event-invoke-config", `{}`, 400, invalid, "You must specify at least one of error handling or destination setting.", false),
		put("event config to missing", "f/event-invoke-config", to("ARN:function:doesnotexist"), 400, invalid, "The destination ARN ARN:function:doesnotexist is invalid.", false),
		put("event config to itself", "f/event-invoke-config", to("ARN:function:f"), 400, invalid, "You can't specify the function as a destination for itself.", false),
		put("event config to a role", "f/event-invoke-config", to("arn:aws:iam:us-east-1:"+account+":function:f"), 400, invalid,
			"The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:iam:us-east-1:"+account+":function:f), onFailure=null) is invalid.", false),
		put("event config to no ARN", "f/event-invoke-config", `{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:_-/!lambda:us-east-1:`+account+`:function:f"}}}`, 400, validation,
			failed+"arn:aws:_-/!lambda:us-east-1:"+account+":function:f' at 'destinationConfig.onFailure.destination' "+pattern+`$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`, true),
		put("event config with two qualifiers", "ARN:function:f:custom/event-invoke-config?Qualifier=1", `{"MaximumRetryAttempts":0}`, 400, invalid, mismatch, false),
		put("event config with two short qualifiers", "f:custom/event-invoke-config?Qualifier=1", `{"MaximumRetryAttempts":0}`, 400, invalid, mismatch, false),
		{"no event config", "GET", at("f/event-invoke-config"), "", 404, notFound, "The function ARN:function:f:$LATEST" + none, false},
		{"no event config of missing", "GET", at("nope/event-invoke-config"), "", 404, notFound, "The function ARN:function:nope:$LATEST" + none, false},
		{"no event config of a version", "GET", at("f/event-invoke-config?Qualifier=1221"), "", 404, notFound, "The function ARN:function:f:1221" + none, false},
		{"deleting no event config", "DELETE", at("f/event-invoke-config"), "", 404, notFound, "The function ARN:function:f:$LATEST" + none, false},
		{"deleting that of missing", "DELETE", at("doesnotexist/event-invoke-config"), "", 404, notFound, "The function ARN:function:doesnotexist:$LATEST" + none, false},
		{"listing those of missing", "GET", at("doesnotexist/event-invoke-config/list"), "", 404, notFound, "The function doesn't exist.", false},
		{"changing that of missing", "POST", at("doesnotexist/event-invoke-config"), `{"MaximumRetryAttempts":0}`, 404, notFound, "The function doesn't exist.", false},
		{"changing none", "POST", at("f/event-invoke-config"), `{"MaximumRetryAttempts":0}`, 404, notFound, "The function ARN:function:f:$LATEST" + none, false},
		{"changing none of an alias", "POST", at("f/event-invoke-config?Qualifier=custom"), `{"MaximumRetryAttempts":0}`, 404, notFound, "The function ARN:function:f:custom" + none, false},
	}
}

func recordedOfConcurrency() []lambdaError {
	at := func(rest string) string { return "/2019-09-30/functions/" + rest }
	reserve := func(what, rest string, status int, code, message string, bare bool) lambdaError {
		return lambdaError{what, "PUT", "/2017-10-31/functions/" + rest, `{"ReservedConcurrentExecutions":901}`, status, code, message, bare}
	}
	const must = "The function resource provided must be an alias or a published version."
	const noConfig = "ProvisionedConcurrencyConfigNotFoundException"
	all := []lambdaError{
		reserve("reserving for missing", "doesnotexist/concurrency", 404, notFound, "Function not found: ARN:function:doesnotexist:$LATEST", false),
		reserve("reserving for a version", "ARN:function:f:$LATEST/concurrency", 400, invalid,
			"This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.", false),
		reserve("reserving too much", "f/concurrency", 400, invalid, "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", true),
		{"reserved of missing", "GET", at("nope/concurrency"), "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"no provisioned", "GET", at("f/provisioned-concurrency?Qualifier=1"), "", 404, noConfig, "No Provisioned Concurrency Config found for this function", false},
		{"list provisioned of missing", "GET", at("doesnotexist/provisioned-concurrency?List=ALL"), "", 404, notFound, "Function not found: ARN:function:doesnotexist", false},
		{"provisioning nothing", "PUT", at("f/provisioned-concurrency?Qualifier=1"), `{"ProvisionedConcurrentExecutions":0}`, 400, validation, failed + "0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1", true},
		{"provisioning $LATEST", "PUT", at("f/provisioned-concurrency?Qualifier=$LATEST"), `{"ProvisionedConcurrentExecutions":1}`, 400, invalid, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.", false},
		{"provisioning too much", "PUT", at("f/provisioned-concurrency?Qualifier=1"), `{"ProvisionedConcurrentExecutions":1001}`, 400, invalid, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].", true},
		{"provisioning nearly all", "PUT", at("f/provisioned-concurrency?Qualifier=1"), `{"ProvisionedConcurrentExecutions":901}`, 400, invalid, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].", true},
		{"loops of no kind", "PUT", "/2024-08-31/functions/f/recursion-config", `{"RecursiveLoop":"InvalidValue"}`, 400, validation, failed + "InvalidValue' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Terminate, Allow]", true},
	}
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		body, of := "", map[string]string{"latest": must}
		if method == "PUT" {
			body = `{"ProvisionedConcurrentExecutions":1}`
		} else {
			all = append(all, lambdaError{method + " provisioned of $LATEST", method, at("f/provisioned-concurrency?Qualifier=$LATEST"), body, 400, invalid, of["latest"], false})
		}
		all = append(all,
			lambdaError{method + " provisioned of a missing alias", method, at("f/provisioned-concurrency?Qualifier=noalias"), body, 404, notFound, "Cannot find alias arn: ARN:function:f:noalias", false},
			lambdaError{method + " provisioned of a missing version", method, at("f/provisioned-concurrency?Qualifier=10"), body, 404, notFound, "Function not found: ARN:function:f:10", false},
			lambdaError{method + " provisioned of an alias of missing", method, at("doesnotexist/provisioned-concurrency?Qualifier=noalias"), body, 404, notFound, "Cannot find alias arn: ARN:function:doesnotexist:noalias", false},
			lambdaError{method + " provisioned of a version of missing", method, at("doesnotexist/provisioned-concurrency?Qualifier=1"), body, 404, notFound, "Function not found: ARN:function:doesnotexist:1", false},
		)
	}
	return all
}

func recordedOfURLs() []lambdaError {
	all := []lambdaError{
		{"no invoke mode", "POST", "/2021-10-31/functions/other/url", `{"AuthType":"NONE","InvokeMode":"UNKNOWN"}`, 400, validation, failed + "UNKNOWN' at 'invokeMode' failed to satisfy constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]", true},
		{"a URL that is there", "POST", "/2021-10-31/functions/f/url", `{"AuthType":"NONE"}`, 409, conflict, "Failed to create function url config for [functionArn = ARN:function:f]. Error message:  FunctionUrlConfig exists for this Lambda function", false},
		{"no URL", "GET", "/2021-10-31/functions/other/url", "", 404, notFound, noResource, false},
		{"changing no URL", "PUT", "/2021-10-31/functions/other/url", `{"AuthType":"NONE"}`, 404, notFound, noResource, false},
		{"deleting no URL", "DELETE", "/2021-10-31/functions/other/url", "", 404, notFound, noResource, false},
		{"URLs of missing", "GET", "/2021-10-31/functions/nope/urls", "", 404, notFound, "Function does not exist", false},
	}
	for method, none := range map[string]string{"POST": "Function does not exist", "PUT": "Function does not exist", "GET": noResource, "DELETE": noResource} {
		body := ""
		if method[0] == 'P' {
			body = `{"AuthType":"NONE"}`
		}
		at := func(function, qualifier string) string {
			return "/2021-10-31/functions/" + function + "/url" + qualifier
		}
		for _, q := range []string{"1", "2", "$LATEST"} {
			all = append(all, lambdaError{method + " URL of " + q, method, at("f", "?Qualifier="+q), body, 400, validation, failed + q + "' at 'qualifier' " + pattern + `((?!^\d+$)^[0-9a-zA-Z-_]+$)`, true})
		}
		all = append(all,
			lambdaError{method + " URL of missing", method, at("doesnotexist", ""), body, 404, notFound, none, false},
			lambdaError{method + " URL of a missing alias", method, at("f", "?Qualifier=doesnotexist"), body, 404, notFound, none, false},
			lambdaError{method + " URL with two qualifiers", method, at("ARN:function:f:custom", "?Qualifier=other"), body, 400, invalid, mismatch, false},
		)
	}
	return all
}

func recordedOfSigning() []lambdaError {
	csc := "ARN:code-signing-config:csc-0123456789abcdefg"
	at := "/2020-04-22/code-signing-configs/" + csc
	none := "The Lambda code signing configuration " + csc + " can not be found."
	gone := "The code signing configuration cannot be found. Check that the provided configuration is not deleted: " + csc + "."
	return []lambdaError{
		{"get no signing", "GET", at, "", 404, notFound, none, true},
		{"delete no signing", "DELETE", at, "", 404, notFound, none, true},
		{"update no signing", "PUT", at, `{"Description":"d"}`, 404, notFound, none, true},
		{"functions of no signing", "GET", at + "/functions", "", 404, notFound, none, true},
		{"put no signing", "PUT", "/2020-06-30/functions/f/code-signing-config", `{"CodeSigningConfigArn":"` + csc + `"}`, 404, "CodeSigningConfigNotFoundException", gone, false},
		{"put no signing to missing", "PUT", "/2020-06-30/functions/nope/code-signing-config", `{"CodeSigningConfigArn":"` + csc + `"}`, 404, "CodeSigningConfigNotFoundException", gone, false},
		{"signing of missing", "GET", "/2020-06-30/functions/nope/code-signing-config", "", 404, notFound, "Function not found: ARN:function:nope", false},
		{"delete signing of missing", "DELETE", "/2020-06-30/functions/nope/code-signing-config", "", 404, notFound, "Function not found: ARN:function:nope", false},
	}
}

func recordedOfLayers() []lambdaError {
	at := func(rest string) string { return "/2018-10-31/layers/" + rest }
	add := func(rest, body string, status int, code, message string, bare bool) lambdaError {
		return lambdaError{"add permission to " + rest + " " + body, "POST", at(rest), body, status, code, message, bare}
	}
	grant := `{"Action":"lambda:GetLayerVersion","Principal":"*","StatementId":"s1"}`
	const gone, gone2 = "Layer version ARN:layer:l-doesnotexist:1 does not exist.", "Layer version ARN:layer:l:2 does not exist."
	return []lambdaError{
		{"layers for no architecture", "GET", "/2018-10-31/layers?CompatibleArchitecture=archdoesnotexist", "", 400, validation, failed + "archdoesnotexist' at 'compatibleArchitecture' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]", true},
		{"a missing layer", "GET", at("nope/versions/1"), "", 404, notFound, noResource, false},
		{"version -1", "GET", at("l/versions/-1"), "", 400, invalid, "Layer Version Cannot be less than 1", false},
		{"version 0", "GET", at("l/versions/0"), "", 400, invalid, "Layer Version Cannot be less than 1", false},
		{"a missing version of a layer", "GET", at("l/versions/2"), "", 404, notFound, noResource, false},
		{"delete version -1", "DELETE", at("l/versions/-1"), "", 400, invalid, "Layer Version Cannot be less than 1", false},
		{"a layer by no ARN of a version", "GET", "/2018-10-31/layers?find=LayerVersion&Arn=ARN:layer:l", "", 400, validation, failed + "ARN:layer:l' at 'arn' " + pattern + layerARNs, true},
		{"a missing layer by ARN", "GET", "/2018-10-31/layers?find=LayerVersion&Arn=ARN:layer:l:99", "", 404, notFound, noResource, false},
		{"no policy of a layer", "GET", at("bare/versions/1/policy"), "", 404, notFound, "No policy is associated with the given resource.", false},
		add("l/versions/1/policy", `{"Action":"*","Principal":"*","StatementId":"s2"}`, 400, validation, failed+"*' at 'action' "+pattern+"lambda:GetLayerVersion", true),
		add("l/versions/1/policy", grant, 409, conflict, "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.", false),
		add("l/versions/1/policy?RevisionId=wrong", strings.Replace(grant, "s1", "s2", 1), 412, stale, tooOldL, false),
		add("l-doesnotexist/versions/1/policy", grant, 404, notFound, gone, false),
		add("l/versions/2/policy", grant, 404, notFound, gone2, false),
		{"policy of a missing layer", "GET", at("l-doesnotexist/versions/1/policy"), "", 404, notFound, gone, false},
		{"policy of a missing version of a layer", "GET", at("l/versions/2/policy"), "", 404, notFound, gone2, false},
		{"removing from a missing layer", "DELETE", at("l-doesnotexist/versions/1/policy/s1"), "", 404, notFound, gone, false},
		{"removing from a missing version of a layer", "DELETE", at("l/versions/2/policy/s1"), "", 404, notFound, gone2, false},
		{"removing what a layer has not", "DELETE", at("l/versions/1/policy/doesnotexist"), "", 404, notFound, "Statement doesnotexist is not found in resource policy.", false},
		{"removing from another revision of a layer", "DELETE", at("l/versions/1/policy/s1?RevisionId=wrong"), "", 412, stale, tooOldL, false},
	}
}

func recordedOfLayersOfFunctions() []lambdaError {
	use := func(what, layers, message string) lambdaError {
		return lambdaError{what, "PUT", functions + "f/configuration", `{"Layers":[` + layers + `]}`, 400, invalid, message, false}
	}
	two := "Two different versions of the same layer are not allowed to be referenced in the same function. ARN:layer:bare:1 and ARN:layer:bare:"
	noVersion := use("a layer without version", `"ARN:layer:l"`, failed+"[ARN:layer:l]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "+layerARNs+", Member must not be null]")
	noVersion.code, noVersion.bare = validation, true
	return []lambdaError{
		use("two versions of a layer", `"ARN:layer:bare:1","ARN:layer:bare:2"`, two+"2 are versions of the same layer."),
		use("one layer twice", `"ARN:layer:bare:1","ARN:layer:bare:1"`, two+"1 are versions of the same layer."),
		use("a missing layer of a function", `"ARN:layer:doesnotexist:1"`, "Layer version ARN:layer:doesnotexist:1 does not exist."),
		use("a missing version of a layer of a function", `"ARN:layer:l:9"`, "Layer version ARN:layer:l:9 does not exist."),
		use("a layer of another region", `"arn:aws:lambda:eu-west-1:`+account+`:layer:l:1"`, "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."),
		use("six layers", strings.TrimSuffix(strings.Repeat(`"ARN:layer:l:1",`, 6), ","), "Cannot reference more than 5 layers."),
		noVersion,
	}
}

func TestRecordedErrorsOfLambda(t *testing.T) {
	n := start(t)
	code := base64.StdEncoding.EncodeToString(zipped(t, "index.js", "exports.handler = async () => 1;"))
	fill := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, "ARN:", lambdaARN), "ZIP", code)
	}
	rest := func(method, path, body string) (reply, map[string]string) {
		t.Helper()
		r := n.send(request{method: method, path: strings.ReplaceAll(path, "ARN:", lambdaARN), body: []byte(fill(body)), header: map[string]string{"Content-Type": "application/json"}})
		var said map[string]any
		_ = json.Unmarshal(r.body, &said) // not all replies have a body
		texts := map[string]string{}
		for name, value := range said {
			if text, ok := value.(string); ok {
				texts[strings.ToLower(name)] = text
			}
		}
		return r, texts
	}
	must := func(method, path, body string) map[string]string {
		t.Helper()
		r, said := rest(method, path, body)
		if r.status/100 != 2 {
			t.Fatalf("%s %s: %v", method, path, r)
		}
		return said
	}
	must("POST", "/2015-03-31/functions", strings.Replace(newFunctionBody(`,"Publish":true`), "new", "f", 1))
	sum := must("PUT", functions+"f/configuration", `{"Description":"other","Timeout":4}`)["codesha256"]
	must("POST", functions+"f/versions", "{}")
	must("POST", functions+"f/aliases", `{"Name":"custom","FunctionVersion":"1"}`)
	must("POST", functions+"f/policy", `{"Action":"lambda:InvokeFunction","Principal":"events.amazonaws.com","StatementId":"s3"}`)
	must("POST", "/2021-10-31/functions/f/url", `{"AuthType":"NONE"}`)
	must("POST", "/2015-03-31/functions", strings.Replace(newFunctionBody(""), "new", "other", 1))
	for _, layer := range []string{"l", "bare", "bare"} {
		must("POST", "/2018-10-31/layers/"+layer+"/versions", `{"Content":{"ZipFile":"ZIP"}}`)
	}
	must("POST", "/2018-10-31/layers/l/versions/1/policy", `{"Action":"lambda:GetLayerVersion","Principal":"*","StatementId":"s1"}`)

	seen := map[string]bool{}
	for _, e := range recordedLambda() {
		if seen[e.what] {
			t.Errorf("%q is there twice", e.what)
		}
		seen[e.what] = true
		r, said := rest(e.method, e.path, e.body)
		want := map[string]string{"message": strings.ReplaceAll(fill(e.message), "(SHA)", "("+sum+")")}
		if !e.bare {
			want["type"] = "User"
		}
		if r.status != e.status || r.header.Get("X-Amzn-Errortype") != e.code || said["message"] != want["message"] || said["type"] != want["type"] {
			t.Errorf("%s (%s %s):\n got %d %s %s\nwant %d %s %v", e.what, e.method, e.path, r.status, r.header.Get("X-Amzn-Errortype"), r.body, e.status, e.code, want)
		}
	}
}

func TestAnAccountsOwnFunctionsOnly(t *testing.T) {
	n := start(t)
	body := strings.Replace(newFunctionBody(""), `"new"`, `"arn:aws:lambda:us-east-1:111111111111:function:new"`, 1)
	r := n.send(request{method: "POST", path: "/2015-03-31/functions", body: []byte(strings.Replace(body, "ZIP", "", 1))})
	if r.status != http.StatusForbidden || r.header.Get("X-Amzn-Errortype") != "AccessDeniedException" {
		t.Errorf("creating a function of another account: %v", r)
	}
}

func TestARequestThatIsTooLargeIsRefusedInAWSsWords(t *testing.T) {
	n := start(t)
	r := n.send(request{method: "POST", path: "/2015-03-31/functions", body: make([]byte, 70_167_212)})
	if r.status != 413 || r.header.Get("X-Amzn-Errortype") != "RequestEntityTooLargeException" || !strings.Contains(string(r.body), "Request must be smaller than 70167211 bytes for the CreateFunction operation") {
		t.Errorf("a large request: %d %s %.300s", r.status, r.header.Get("X-Amzn-Errortype"), r.body)
	}
	large := base64.StdEncoding.EncodeToString(make([]byte, 52_428_801))
	r = n.send(request{method: "POST", path: "/2015-03-31/functions", body: []byte(strings.Replace(newFunctionBody(""), "ZIP", large, 1))})
	if r.status != 413 || !strings.Contains(string(r.body), "Zipped size must be smaller than 52428800 bytes") {
		t.Errorf("a large zip file: %d %.300s", r.status, r.body)
	}
}
