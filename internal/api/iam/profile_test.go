package iam_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestInstanceProfiles(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	w.role(t, "other")
	forRole := func(role string) int {
		out, err := w.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: &role})
		ok(t, err)
		return len(out.InstanceProfiles)
	}
	if forRole("r") != 0 {
		t.Error("a fresh role has profiles")
	}
	made, err := w.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("p")})
	ok(t, err)
	if p := made.InstanceProfile; *p.Arn != "arn:aws:iam::000000000000:instance-profile/p" || !strings.HasPrefix(*p.InstanceProfileId, "AIPA") {
		t.Errorf("%+v", p)
	}
	_, err = w.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("P")})
	refused(t, err, "EntityAlreadyExists", "Instance Profile P already exists.")
	add := func(role string) error {
		_, err := w.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new("p"), RoleName: &role})
		return err
	}
	refused(t, add("none"), "NoSuchEntity", "The role with name none cannot be found.")
	ok(t, add("r"))
	refused(t, add("other"), "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	if forRole("r") != 1 || forRole("other") != 0 {
		t.Error("the profile is not listed for its role alone")
	}
	got, err := w.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: new("p")})
	ok(t, err)
	if len(got.InstanceProfile.Roles) != 1 || *got.InstanceProfile.Roles[0].RoleName != "r" {
		t.Errorf("%+v", got.InstanceProfile)
	}
	drop := func() error {
		_, err := w.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: new("p")})
		return err
	}
	refused(t, drop(), "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	_, err = w.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("p"), RoleName: new("r")})
	ok(t, err)
	ok(t, drop())
	refused(t, drop(), "NoSuchEntity", "Instance Profile p cannot be found.")
}

func TestServiceLinkedRole(t *testing.T) {
	w, ctx := start(t), t.Context()
	for range 2 {
		ok(t, w.service.EnsureServiceLinked(ctx, "000000000000"))
	}
	got, err := w.GetRole(ctx, &iam.GetRoleInput{RoleName: new("AWSServiceRoleForLambda")})
	ok(t, err)
	if *got.Role.Arn != "arn:aws:iam::000000000000:role/aws-service-role/lambda.amazonaws.com/AWSServiceRoleForLambda" {
		t.Errorf("%+v", got.Role)
	}
	_, err = w.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: got.Role.RoleName})
	refused(t, err, "UnmodifiableEntity", "")
	refused(t, w.attach(ctx, "AWSServiceRoleForLambda", basicExecution), "UnmodifiableEntity", "")
	_, err = w.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("lambda.amazonaws.com")})
	refused(t, err, "InvalidInput", "Service role name AWSServiceRoleForLambda has been taken in this account, please try a different suffix.")

	used := []string{"arn:aws:lambda:eu-west-1:000000000000:capacity-provider:cp"}
	w.service.LinkedTo = func(string) []string { return used }
	outcome := func() string {
		task, err := w.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: got.Role.RoleName})
		ok(t, err)
		out, err := w.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task.DeletionTaskId})
		ok(t, err)
		return string(out.Status)
	}
	if s := outcome(); s != "FAILED" {
		t.Errorf("with a capacity provider: %s", s)
	}
	used = nil
	if s := outcome(); s != "SUCCEEDED" {
		t.Errorf("without: %s", s)
	}
	_, err = w.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: new("lambda.amazonaws.com")})
	ok(t, err)
}

func TestCallerAsUser(t *testing.T) {
	w := start(t)
	out, err := w.GetUser(t.Context(), &iam.GetUserInput{})
	ok(t, err)
	if *out.User.Arn != "arn:aws:iam::000000000000:root" {
		t.Errorf("%+v", out.User)
	}
	_, err = w.GetUser(t.Context(), &iam.GetUserInput{UserName: new("x")})
	refused(t, err, "NoSuchEntity", "The user with name x cannot be found.")
}

// No operation is reached without a signature, whatever it is.
func TestEveryOperationUnsigned(t *testing.T) {
	w := start(t)
	for _, action := range []string{"CreateRole", "GetRole", "ListRoles", "DeleteRole", "PutRolePolicy", "AttachRolePolicy", "CreatePolicy",
		"DeletePolicy", "ListPolicies", "CreateInstanceProfile", "CreateServiceLinkedRole", "GetUser", "NoSuchAction"} {
		body := strings.NewReader("Action=" + action + "&Version=2010-05-08&RoleName=r")
		r, err := http.Post(w.url, "application/x-www-form-urlencoded", body)
		ok(t, err)
		_ = r.Body.Close()
		if r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", action, r.StatusCode)
		}
	}
}
