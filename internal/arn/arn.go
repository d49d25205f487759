// Package arn parses Amazon Resource Names.
//
//	arn:partition:service:region:account:resource
//
// The resource is everything after the fifth colon and may hold colons and
// slashes of its own; what they mean is the service's affair.
package arn

import (
	"fmt"
	"strings"
)

// ARN is a parsed Amazon Resource Name. Region and Account are empty where a
// service has none (IAM has no region).
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	Resource  string
}

// New returns an ARN in the aws partition.
func New(service, region, account, resource string) ARN {
	return ARN{Partition: "aws", Service: service, Region: region, Account: account, Resource: resource}
}

// Parse splits s into its six parts. It fails when s has fewer parts, does
// not begin with "arn:", or lacks a partition, service or resource.
func Parse(s string) (ARN, error) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return ARN{}, fmt.Errorf("arn: %q is not of the form arn:partition:service:region:account:resource", s)
	}
	a := ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}
	if a.Partition == "" || a.Service == "" || a.Resource == "" {
		return ARN{}, fmt.Errorf("arn: %q lacks a partition, service or resource", s)
	}
	return a, nil
}

// String returns the ARN as AWS writes it.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// IsZero reports whether a is the zero ARN.
func (a ARN) IsZero() bool { return a == ARN{} }
