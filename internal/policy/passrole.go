package policy

// PassRole returns what giving a role to a service needs besides: nothing if
// no role is given. The service is named as in "lambda.amazonaws.com".
func PassRole(role *string, service string) []Request {
	if role == nil {
		return nil
	}
	return []Request{{Action: "iam:PassRole", Resource: *role, Context: Context{"iam:PassedToService": {service}}}}
}
