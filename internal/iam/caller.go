package iam

import (
	"context"
	"fmt"
	"time"

	"naru/internal/policy"
	"naru/internal/wire"
)

type GetCallerIdentityInput struct{}

type GetCallerIdentityOutput struct {
	UserId  string
	Account string
	Arn     string
}

// GetCallerIdentity tells the caller who it is.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *GetCallerIdentityInput) (*GetCallerIdentityOutput, error) {
	c := wire.CallOf(ctx).Caller
	return &GetCallerIdentityOutput{c.UserID, c.Account, c.ARN}, nil
}

// CredentialsShape are credentials in replies.
type CredentialsShape struct {
	AccessKeyId     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

func (c Credentials) shape() *CredentialsShape {
	return &CredentialsShape{c.ID, c.Secret, c.Token, c.Expires}
}

type GetSessionTokenInput struct {
	DurationSeconds *int32
	SerialNumber    *string
	TokenCode       *string
}

type GetSessionTokenOutput struct{ Credentials *CredentialsShape }

// The bounds of GetSessionToken, in seconds.
const (
	minUserSession = 900
	maxUserSession = 129600
	maxRootSession = 3600 // and what the root gets
)

// GetSessionToken returns temporary credentials of the user, or root, that
// asks.
func (s *Service) GetSessionToken(ctx context.Context, in *GetSessionTokenInput) (*GetSessionTokenOutput, error) {
	caller := wire.CallOf(ctx).Caller
	if caller.Kind == policy.Session || !caller.Issued.IsZero() {
		return nil, &wire.Error{Code: wire.CodeAccessDenied, Message: "Cannot call GetSessionToken with session credentials"}
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, noMFA()
	}
	seconds, most := int32(43200), int32(maxUserSession)
	if caller.Kind == policy.Root {
		seconds, most = maxRootSession, maxRootSession
	}
	if d := in.DurationSeconds; d != nil {
		switch {
		case *d < minUserSession:
			return nil, violation(fmt.Sprint(*d), "durationSeconds", fmt.Sprint("Member must have value greater than or equal to ", minUserSession))
		case *d > maxUserSession:
			return nil, violation(fmt.Sprint(*d), "durationSeconds", fmt.Sprint("Member must have value less than or equal to ", maxUserSession))
		}
		seconds = min(*d, most)
	}
	of := session{Account: caller.Account}
	if caller.Kind == policy.User {
		of.User, of.UserID = caller.ARN, caller.UserID
	}
	return &GetSessionTokenOutput{s.begin(of, time.Duration(seconds)*time.Second).shape()}, nil
}

func noMFA() error { return wire.Errorf("ValidationError", "Naru does not have MFA devices.") }
