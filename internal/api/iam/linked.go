package iam

import (
	"context"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func (s *Service) registerLinked(m *awsproto.Mux) {
	awsproto.Handle(m, model.CreateServiceLinkedRole, s.createServiceLinkedRole)
	awsproto.Handle(m, model.DeleteServiceLinkedRole, s.deleteServiceLinkedRole)
	awsproto.Handle(m, model.GetServiceLinkedRoleDeletionStatus, s.getServiceLinkedRoleDeletionStatus)
}

// linkedRoles are the services whose linked role Lamina knows.
var linkedRoles = map[string]string{"lambda.amazonaws.com": "AWSServiceRoleForLambda"}

func (s *Service) linked(account, service string) (lamina.Role, bool) {
	name, ok := linkedRoles[service]
	return lamina.Role{
		Account: account, Name: name, Path: "/aws-service-role/" + service + "/", ID: iam.NewID("AROA"), MaxSessionSec: 3600,
		TrustPolicy:   `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`,
		Attached:      []string{linkedPolicy},
		ServiceLinked: true, Created: s.now(),
	}, ok
}

// linkedPolicy is what the linked role of Lambda may do.
const linkedPolicy = "arn:aws:iam::aws:policy/aws-service-role/AWSLambdaServiceRolePolicy"

// EnsureServiceLinked makes the role with which instances can be ended even when
// the operator role is gone; AWS makes it with an account's first capacity provider.
func (s *Service) EnsureServiceLinked(ctx context.Context, account string) error {
	role, _ := s.linked(account, iam.LambdaPrincipal)
	if err := s.store(ctx, role); err != nil && lamina.ErrorCode(err) != "EntityAlreadyExists" {
		return err
	}
	return nil
}

func (s *Service) createServiceLinkedRole(ctx context.Context, in *model.CreateServiceLinkedRoleRequest) (*model.CreateServiceLinkedRoleResponse, error) {
	role, ok := s.linked(account(ctx), *in.AWSServiceName)
	if !ok {
		return nil, lamina.Errorf("InvalidInput", "Lamina knows no service-linked role of %s.", *in.AWSServiceName)
	}
	if _, exists := s.Tables.Roles.Get(role.Key()); exists {
		return nil, lamina.Errorf("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", role.Name)
	}
	if err := s.store(ctx, role); err != nil {
		return nil, err
	}
	return &model.CreateServiceLinkedRoleResponse{Role: roleOf(role)}, nil
}

// linkedTo is what keeps a service-linked role from being deleted.
func (s *Service) linkedTo(account string) []string {
	if s.LinkedTo == nil {
		return nil
	}
	return s.LinkedTo(account)
}

// deleteServiceLinkedRole deletes at once what may be deleted; the task it
// answers with tells how that went.
func (s *Service) deleteServiceLinkedRole(ctx context.Context, in *model.DeleteServiceLinkedRoleRequest) (*model.DeleteServiceLinkedRoleResponse, error) {
	role, err := s.find(ctx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	if !role.ServiceLinked {
		return nil, noRole(role.Name)
	}
	if len(s.linkedTo(role.Account)) == 0 {
		if _, err := s.View.Update(ctx, func(tx *view.Tx) error { return tx.Do(s.Tables.Roles.Delete(role.Key())) }); err != nil {
			return nil, err
		}
	}
	return &model.DeleteServiceLinkedRoleResponse{DeletionTaskId: new("task" + role.Path + role.Name + "/" + role.ID)}, nil
}

// getServiceLinkedRoleDeletionStatus reads the state off the role that the task
// names: a deletion that left it there has failed.
func (s *Service) getServiceLinkedRoleDeletionStatus(ctx context.Context, in *model.GetServiceLinkedRoleDeletionStatusRequest) (*model.GetServiceLinkedRoleDeletionStatusResponse, error) {
	parts := strings.Split(*in.DeletionTaskId, "/")
	if len(parts) != 5 || parts[0] != "task" {
		return nil, lamina.Errorf("NoSuchEntity", "The deletion task with id %s cannot be found.", *in.DeletionTaskId)
	}
	role, err := s.find(ctx, parts[3])
	if err != nil || role.ID != parts[4] {
		return &model.GetServiceLinkedRoleDeletionStatusResponse{Status: new("SUCCEEDED")}, nil
	}
	return &model.GetServiceLinkedRoleDeletionStatusResponse{
		Status: new("FAILED"),
		Reason: &model.DeletionTaskFailureReasonType{
			Reason:        new("A resource still uses the service-linked role. Delete it first, then try again."),
			RoleUsageList: []model.RoleUsageType{{Resources: s.linkedTo(role.Account)}},
		},
	}, nil
}
