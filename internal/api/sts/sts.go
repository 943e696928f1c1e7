// Package sts is the operations of AWS's Security Token Service that Lambda's
// clients call.
package sts

import (
	"context"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsmodel/sts"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/tables"
)

// Service serves the operations.
type Service struct {
	Tables   tables.IAM
	Sessions *iam.Sessions
	Clock    lamina.Clock
}

// Register adds every operation to the front door.
func (s *Service) Register(m *awsproto.Mux) {
	awsproto.Handle(m, sts.GetCallerIdentity, s.getCallerIdentity)
	awsproto.Handle(m, sts.AssumeRole, s.assumeRole)
	awsproto.Handle(m, sts.GetSessionToken, s.getSessionToken)
}

func (s *Service) getCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
	c := lamina.CallerFrom(ctx)
	return &sts.GetCallerIdentityResponse{UserId: &c.UserID, Account: &c.Account, Arn: &c.ARN}, nil
}

const (
	assumeDefault  = time.Hour      // AWS: DurationSeconds of AssumeRole
	sessionDefault = 12 * time.Hour // AWS: DurationSeconds of GetSessionToken
)

func duration(seconds *int32, standard time.Duration) time.Duration {
	if seconds == nil {
		return standard
	}
	return time.Duration(*seconds) * time.Second
}

func (s *Service) assumeRole(ctx context.Context, in *sts.AssumeRoleRequest) (*sts.AssumeRoleResponse, error) {
	caller := lamina.CallerFrom(ctx)
	role, ok := s.role(*in.RoleArn)
	if !ok || !trusts(role, caller) {
		return nil, lamina.Errorf("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.ARN, *in.RoleArn)
	}
	length := duration(in.DurationSeconds, assumeDefault)
	if length > time.Duration(role.MaxSessionSec)*time.Second {
		return nil, lamina.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	arn := "arn:aws:sts::" + role.Account + ":assumed-role/" + role.Name + "/" + *in.RoleSessionName
	id := role.ID + ":" + *in.RoleSessionName
	keys, err := s.issue(role.Account, arn, id, length)
	if err != nil {
		return nil, err
	}
	return &sts.AssumeRoleResponse{
		Credentials:      keys,
		AssumedRoleUser:  &sts.AssumedRoleUser{AssumedRoleId: &id, Arn: &arn},
		SourceIdentity:   in.SourceIdentity,
		PackedPolicySize: nil,
	}, nil
}

// trusts lets in who the trust policy names: the caller, or its account.
func trusts(role lamina.Role, caller lamina.Caller) bool {
	d, err := iam.ParseTrust(role.TrustPolicy)
	if err != nil {
		return false
	}
	root := "arn:aws:iam::" + caller.Account + ":root"
	return d.Trusts("AWS", caller.ARN) || d.Trusts("AWS", root) || d.Trusts("AWS", caller.Account)
}

func (s *Service) role(arn string) (lamina.Role, bool) {
	_, _, account, _, ok := lamina.SplitARN(arn)
	if !ok {
		return lamina.Role{}, false
	}
	for _, row := range s.Tables.Roles.List(account + "/") {
		if row.Value.ARN() == arn {
			return row.Value, true
		}
	}
	return lamina.Role{}, false
}

func (s *Service) getSessionToken(ctx context.Context, in *sts.GetSessionTokenRequest) (*sts.GetSessionTokenResponse, error) {
	caller := lamina.CallerFrom(ctx)
	keys, err := s.issue(caller.Account, caller.ARN, caller.UserID, duration(in.DurationSeconds, sessionDefault))
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenResponse{Credentials: keys}, nil
}

func (s *Service) issue(account, arn, userID string, length time.Duration) (*sts.Credentials, error) {
	c, err := s.Sessions.Issue(account, arn, userID, s.Clock().Add(length).Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	return &sts.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expires}, nil
}
