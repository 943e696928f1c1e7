// Package sts is the operations of AWS's Security Token Service that Lambda's
// clients call.
package sts

import (
	"context"
	"strconv"
	"strings"
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
	chainLimit     = time.Hour      // AWS: sessions that a session of a role assumes
	sessionDefault = 12 * time.Hour // AWS: DurationSeconds of GetSessionToken
	rootLimit      = time.Hour      // AWS: sessions of an account's root
)

func duration(seconds *int32, standard time.Duration) time.Duration {
	if seconds == nil {
		return standard
	}
	return time.Duration(*seconds) * time.Second
}

// assumeRole asks the role's trust policy. Unlike on AWS, an account's root may
// assume roles, as the test keys are root's. Session policies are checked, but
// nothing enforces them yet.
func (s *Service) assumeRole(ctx context.Context, in *sts.AssumeRoleRequest) (*sts.AssumeRoleResponse, error) {
	caller := lamina.CallerFrom(ctx)
	role, ok := s.role(*in.RoleArn)
	if !ok || !s.trusts(role, caller, in) {
		return nil, lamina.Errorf("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.ARN, *in.RoleArn)
	}
	if in.Policy != nil {
		if _, err := iam.ParsePermissions(*in.Policy); err != nil {
			return nil, err
		}
	}
	length, err := s.lengthOf(caller, role, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	arn := "arn:aws:sts::" + role.Account + ":assumed-role/" + role.Name + "/" + *in.RoleSessionName
	id := role.ID + ":" + *in.RoleSessionName
	keys, err := s.issue(role.Account, arn, id, length)
	if err != nil {
		return nil, err
	}
	out := &sts.AssumeRoleResponse{
		Credentials:     keys,
		AssumedRoleUser: &sts.AssumedRoleUser{AssumedRoleId: &id, Arn: &arn},
		SourceIdentity:  in.SourceIdentity,
	}
	if in.Policy != nil {
		out.PackedPolicySize = new(int32(100 * len(*in.Policy) / maxSessionPolicy))
	}
	return out, nil
}

// maxSessionPolicy is AWS's limit on a session policy, in characters; how AWS
// packs it is its secret.
const maxSessionPolicy = 2048

func (s *Service) lengthOf(caller lamina.Caller, role lamina.Role, seconds *int32) (time.Duration, error) {
	length := duration(seconds, assumeDefault)
	if _, chained := s.assumed(caller); chained && length > chainLimit {
		return 0, lamina.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if length > time.Duration(role.MaxSessionSec)*time.Second {
		return 0, lamina.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return length, nil
}

// assumed is the role that the caller's session is of.
func (s *Service) assumed(caller lamina.Caller) (lamina.Role, bool) {
	account, name, ok := (iam.Session{ARN: caller.ARN}).Role()
	if !ok {
		return lamina.Role{}, false
	}
	row, ok := s.Tables.Roles.Get(lamina.Key(account, name))
	if !ok {
		return lamina.Role{Account: account, Name: name, Path: "/"}, true
	}
	return row.Value, true
}

// trusts asks the role's trust policy about the caller.
func (s *Service) trusts(role lamina.Role, caller lamina.Caller, in *sts.AssumeRoleRequest) bool {
	d, err := iam.ParseTrust(role.TrustPolicy)
	if err != nil {
		return false
	}
	principal := caller.ARN
	if own, ok := s.assumed(caller); ok {
		principal = own.ARN()
	}
	conditions := map[string][]string{
		"aws:PrincipalArn":     {principal},
		"aws:PrincipalAccount": {caller.Account},
		"aws:userid":           {caller.UserID},
		"sts:RoleSessionName":  {*in.RoleSessionName},
		"aws:CurrentTime":      {s.Clock().UTC().Format(time.RFC3339)},
		"aws:EpochTime":        {strconv.FormatInt(s.Clock().Unix(), 10)},
		"aws:ViaAWSService":    {"false"},
	}
	if in.ExternalId != nil {
		conditions["sts:ExternalId"] = []string{*in.ExternalId}
	}
	if in.SourceIdentity != nil {
		conditions["sts:SourceIdentity"] = []string{*in.SourceIdentity}
	}
	return d.Trusts(iam.PrincipalsOf(caller, principal), conditions)
}

// role finds a role by its ARN, in any account.
func (s *Service) role(arn string) (lamina.Role, bool) {
	_, _, account, resource, ok := lamina.SplitARN(arn)
	if !ok {
		return lamina.Role{}, false
	}
	row, ok := s.Tables.Roles.Get(lamina.Key(account, resource[strings.LastIndexByte(resource, '/')+1:]))
	return row.Value, ok && row.Value.ARN() == arn
}

func (s *Service) getSessionToken(ctx context.Context, in *sts.GetSessionTokenRequest) (*sts.GetSessionTokenResponse, error) {
	caller := lamina.CallerFrom(ctx)
	if _, ok := s.assumed(caller); ok || s.Sessions.Issued(caller.AccessKeyID) {
		return nil, lamina.Errorf("AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	// All callers without a session are root here; AWS shortens root's silently.
	length := min(duration(in.DurationSeconds, sessionDefault), rootLimit)
	keys, err := s.issue(caller.Account, caller.ARN, caller.UserID, length)
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenResponse{Credentials: keys}, nil
}

func (s *Service) issue(account, arn, userID string, length time.Duration) (*sts.Credentials, error) {
	c, err := s.Sessions.Issue(account, arn, userID, s.Clock().Add(length).UTC().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	return &sts.Credentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken, Expiration: &c.Expires}, nil
}
