package policy

import (
	"errors"
	"testing"
)

func TestValidate(t *testing.T) {
	const ok = ""
	for _, c := range []struct {
		rule, statement string
		kind            Kind
		want            string
	}{
		{"IdentityPoliciesHaveActionsAndResources", `{"Effect":"Allow","Action":"sqs:*","Resource":"*"}`, Identity, ok},
		{"IdentityPoliciesNeedActions", `{"Effect":"Allow","Resource":"*"}`, Identity, "Policy statement must contain actions."},
		{"AnEmptyListIsNone", `{"Effect":"Allow","Action":[],"Resource":"*"}`, Identity, "Policy statement must contain actions."},
		{"IdentityPoliciesNeedResources", `{"Effect":"Allow","Action":"sqs:*"}`, Identity, "Policy statement must contain resources."},
		{"IdentityPoliciesHaveNoPrincipal", `{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}`, Identity, "Policy document should not specify a principal."},
		{"NorNotPrincipal", `{"Effect":"Deny","NotPrincipal":{},"Action":"sqs:*","Resource":"*"}`, Managed, "Policy document should not specify a principal."},
		{"SidsAreAlphanumeric", `{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"}`, Identity, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
		{"SidsAreUnique", `{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"}`, Identity, "Statement IDs (SID) in a single policy must be unique."},
		{"NoSidIsNotASid", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"","Effect":"Deny","Action":"*","Resource":"*"}`, Identity, ok},

		{"ActionsHaveAService", `{"Effect":"Allow","Action":"SendMessage","Resource":"*"}`, Identity, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"WhichIsSaidBeforeAMissingResource", `{"Effect":"Allow","Action":"SendMessage"}`, Identity, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"ActionsHaveOneColon", `{"Effect":"Allow","NotAction":"sqs:Send:Message","Resource":"*"}`, Identity, "Actions/Condition can contain only one colon."},
		{"ServicesAreSimpleNames", `{"Effect":"Allow","Action":"s q:SendMessage","Resource":"*"}`, Identity, "Vendor s q is not valid"},
		{"ServicesMayBeUnknown", `{"Effect":"Allow","Action":["s3-x.y:Any thing","*:*","*"],"Resource":"*"}`, Identity, ok},

		{"ResourcesAreARNs", `{"Effect":"Allow","Action":"*","Resource":["*","orders"]}`, Identity, `Resource orders must be in ARN format or "*".`},
		{"ResourcesAreNotEmpty", `{"Effect":"Allow","Action":"*","Resource":""}`, Identity, `Resource  must be in ARN format or "*".`},
		{"PartitionsAreAWSs", `{"Effect":"Allow","Action":"*","Resource":"arn:error:sqs:::q"}`, Identity, `Partition "error" is not valid for resource "arn:error:sqs:::q".`},
		{"PartitionsAreFoundInAnyText", `{"Effect":"Allow","Action":"*","Resource":"aws:sqs:::q"}`, Identity, `Partition "sqs" is not valid for resource "arn:sqs:::q:*".`},
		{"ShortTextsAreCompleted", `{"Effect":"Allow","Action":"*","Resource":"a:b"}`, Identity, `Partition "b" is not valid for resource "arn:b:*:*:*:*".`},
		{"OtherPartitionsOfAWSAreValid", `{"Effect":"Allow","Action":"*","Resource":["arn:aws-cn:sqs:::q","arn:*:sqs:::q"]}`, Identity, ok},
		{"ResourcesNameTheService", `{"Effect":"Allow","Action":"*","Resource":"arn:aws"}`, Identity, "Resource vendor must be fully qualified and cannot contain regexes."},
		{"WithoutWildcards", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:*:us-east-1:1:q"}`, Identity, "Resource vendor must be fully qualified and cannot contain regexes."},
		{"ResourcesHaveSixParts", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:sqs::q"}`, Identity, "The policy failed legacy parsing"},
		{"ResourcesOfIAMHaveNoRegion", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam:us-east-1::user/a"}`, Identity, "IAM resource arn:aws:iam:us-east-1::user/a cannot contain region information."},

		{"ResourcePoliciesNeedAPrincipal", `{"Effect":"Allow","Action":"sqs:*","Resource":"*"}`, Resource, "Missing required field Principal"},
		{"ThatIsNotEmpty", `{"Effect":"Allow","Principal":{"AWS":[]},"Action":"sqs:*"}`, Resource, "Missing required field Principal cannot be empty!"},
		{"NotPrincipalIsOne", `{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"sqs:*"}`, Resource, ok},
		{"ResourcePoliciesNeedActions", `{"Effect":"Allow","Principal":"*","Resource":"*"}`, Resource, "Policy statement must contain actions."},
		{"ResourcePoliciesNeedNoResource", `{"Effect":"Allow","Principal":"*","Action":"SQS:SendMessage"}`, Resource, ok},
		{"ResourcePoliciesMayHaveAnySid", `{"Sid":"a b","Effect":"Allow","Principal":"*","Action":"sqs:*"}`, Resource, ok},

		{"PrincipalsMayBeOfEveryForm", `{"Effect":"Allow","Action":"sqs:*","Principal":{"AWS":["*","111122223333","arn:aws:iam::111122223333:root","arn:aws:sts::111122223333:assumed-role/r/s","AIDAALICEALICEALICE12"],"Service":"sqs.amazonaws.com","Federated":"accounts.google.com"}}`, Resource, ok},
		{"PrincipalsAreNotMereNames", `{"Effect":"Allow","Principal":{"AWS":"alice"},"Action":"sqs:*"}`, Resource, `Invalid principal in policy: "AWS":"alice"`},
		{"PrincipalsHaveNoWildcards", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/*"},"Action":"sqs:*"}`, Resource, `Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/*"`},
		{"PrincipalsAreOfIAM", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:sqs:us-east-1:111122223333:q"},"Action":"sqs:*"}`, Resource, `Invalid principal in policy: "AWS":"arn:aws:sqs:us-east-1:111122223333:q"`},
		{"PrincipalsAreNotEmpty", `{"Effect":"Allow","Principal":{"Service":""},"Action":"sqs:*"}`, Resource, `Invalid principal in policy: "Service":""`},

		{"TrustPoliciesAllowAssumeRole", `{"Sid":"a b","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}`, Trust, ok},
		{"TrustPoliciesNeedAPrincipal", `{"Effect":"Allow","Action":"sts:AssumeRole"}`, Trust, "Missing required field Principal"},
		{"TrustPoliciesNeedAnAction", `{"Effect":"Allow","Principal":"*"}`, Trust, "Missing required field Action"},
		{"TrustPoliciesAreAboutSTS", `{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage"}`, Trust, "AssumeRole policy may only specify STS AssumeRole actions."},
		{"TrustPoliciesHaveNoResource", `{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`, Trust, "Has prohibited field Resource"},
		{"NorNotResource", `{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","NotResource":"*"}`, Trust, "AssumeRole policy must not contain resources."},
		{"TrustPoliciesDoNotAllowNotPrincipal", `{"Effect":"Allow","NotPrincipal":{"AWS":"*"},"Action":"sts:AssumeRole"}`, Trust, "Allow with NotPrincipal is not allowed."},
		{"NorDenyIt", `{"Effect":"Deny","NotPrincipal":{"AWS":"*"},"Action":"sts:AssumeRole"}`, Trust, "AssumeRole policy must not contain NotPrincipal field."},
		{"TrustPoliciesHaveUniqueSids", `{"Sid":"a","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},{"Sid":"a","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`, Trust, "The Statement Ids in the policy are not unique"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := words(parse(t, c.statement).Validate(c.kind), c.kind); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// words returns what AWS says of the error.
func words(err error, kind Kind) string {
	var e *SyntaxError
	if errors.As(err, &e) {
		return e.Words(kind)
	}
	return ""
}

func TestManagedPoliciesAreOfTheNewVersion(t *testing.T) {
	const statement = `"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	const want = "Policy document must be version 2012-10-17 or greater."
	for _, version := range []string{``, `"Version":"2008-10-17",`} {
		d, err := Parse(`{` + version + statement)
		if err != nil {
			t.Fatal(err)
		}
		if got := words(d.Validate(Managed), Managed); got != want {
			t.Errorf("managed, %s: %q, want %q", version, got, want)
		}
		if err := d.Validate(Identity); err != nil {
			t.Errorf("inline, %s: %v", version, err)
		}
	}
}

func TestValidateNamesTheStatement(t *testing.T) {
	d, err := Parse(`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}, {"Effect":"Allow"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	var e *SyntaxError
	if !errors.As(d.Validate(Identity), &e) || e.Offset != 61 {
		t.Errorf("%+v, want offset 61", e)
	}
}
