package arn

import "testing"

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want ARN
		ok   bool
	}{
		{"arn:aws:sqs:us-east-1:000000000000:MyQueue", New("sqs", "us-east-1", "000000000000", "MyQueue"), true},
		{"arn:aws:lambda:eu-west-1:123456789012:function:f:1", New("lambda", "eu-west-1", "123456789012", "function:f:1"), true},
		{"arn:aws:iam::123456789012:role/service-role/x", New("iam", "", "123456789012", "role/service-role/x"), true},
		{"", ARN{}, false},
		{"MyQueue", ARN{}, false},
		{"arn:aws:sqs:us-east-1:000000000000", ARN{}, false},
		{"arn:aws:sqs:us-east-1:000000000000:", ARN{}, false},
		{"urn:aws:sqs:us-east-1:000000000000:q", ARN{}, false},
		{"arn::sqs:us-east-1:000000000000:q", ARN{}, false},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("Parse(%q) = %+v, %v", tt.in, got, err)
		}
		if tt.ok && got.String() != tt.in {
			t.Errorf("Parse(%q).String() = %q", tt.in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:sqs:us-east-1:000000000000:MyQueue")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := Parse(s); err == nil && a.String() != s {
			t.Errorf("Parse(%q) prints as %q", s, a)
		}
	})
}
