package iam_test

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestRole(t *testing.T) {
	w := start(t)
	created, err := w.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: new("worker"), Path: new("/team/a/"), AssumeRolePolicyDocument: new(trustLambda), Description: new("works"),
		MaxSessionDuration: new(int32(7200)), Tags: []types.Tag{{Key: new("b"), Value: new("2")}, {Key: new("a"), Value: new("")}},
	})
	ok(t, err)
	out, err := w.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("worker")})
	ok(t, err)
	r := out.Role
	if *r.Arn != "arn:aws:iam::000000000000:role/team/a/worker" || !strings.HasPrefix(*r.RoleId, "AROA") || len(*r.RoleId) != 21 ||
		*r.MaxSessionDuration != 7200 || *r.Description != "works" || r.CreateDate.IsZero() || r.RoleLastUsed == nil {
		t.Errorf("%+v", r)
	}
	if *created.Role.Arn != *r.Arn || *created.Role.RoleId != *r.RoleId || !created.Role.CreateDate.Equal(*r.CreateDate) {
		t.Errorf("created %+v, then %+v", created.Role, r)
	}
	if len(r.Tags) != 2 || *r.Tags[0].Key != "a" || *r.Tags[0].Value != "" || *r.Tags[1].Value != "2" {
		t.Errorf("tags %+v", r.Tags)
	}
	if strings.ContainsAny(*r.AssumeRolePolicyDocument, "+ {\n") {
		t.Errorf("not encoded by RFC 3986: %s", *r.AssumeRolePolicyDocument)
	}
	if d, err := url.PathUnescape(*r.AssumeRolePolicyDocument); err != nil || d != trustLambda {
		t.Errorf("document came back as %q, %v", d, err)
	}
}

func TestRoleRefusals(t *testing.T) {
	w := start(t)
	w.role(t, "Worker")
	create := func(in iam.CreateRoleInput) error {
		_, err := w.CreateRole(t.Context(), &in)
		return err
	}
	err := create(iam.CreateRoleInput{RoleName: new("worker"), AssumeRolePolicyDocument: new(trustLambda)})
	refused(t, err, "EntityAlreadyExists", "Role with name worker already exists.")
	if status(err) != 409 {
		t.Errorf("status %d", status(err))
	}
	err = create(iam.CreateRoleInput{RoleName: new("x"), AssumeRolePolicyDocument: new("{")})
	refused(t, err, "MalformedPolicyDocument", "This policy contains invalid Json")
	if status(err) != 400 {
		t.Errorf("status %d", status(err))
	}
	refused(t, create(iam.CreateRoleInput{RoleName: new("x"), AssumeRolePolicyDocument: new(trustLambda + strings.Repeat(" ", 3000)), Tags: []types.Tag{
		{Key: new("a"), Value: new("")}, {Key: new("A"), Value: new("")}}}), "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	refused(t, create(iam.CreateRoleInput{RoleName: new("x"), AssumeRolePolicyDocument: new(strings.Replace(trustLambda, `"lambda`, `"`+strings.Repeat("l", 3000), 1))}),
		"LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	refused(t, create(iam.CreateRoleInput{RoleName: new("x"), AssumeRolePolicyDocument: new(trustLambda), PermissionsBoundary: new("arn:aws:iam::000000000000:policy/none")}),
		"NoSuchEntity", "Policy arn:aws:iam::000000000000:policy/none does not exist or is not attachable.")
	refused(t, create(iam.CreateRoleInput{RoleName: new("x"), Path: new("/aws-service-role/a/"), AssumeRolePolicyDocument: new(trustLambda)}), "ValidationError", "")
	refused(t, create(iam.CreateRoleInput{RoleName: new("a b"), AssumeRolePolicyDocument: new(trustLambda)}), "ValidationError", "")
	_, err = w.GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("none")})
	refused(t, err, "NoSuchEntity", "The role with name none cannot be found.")
	if status(err) != 404 {
		t.Errorf("status %d", status(err))
	}
	if _, err := w.as(t, "111111111111").GetRole(t.Context(), &iam.GetRoleInput{RoleName: new("Worker")}); err == nil {
		t.Error("another account sees the role")
	}
}

func TestDeleteRole(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	remove := func() error {
		_, err := w.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: new("r")})
		return err
	}
	arn := w.policy(t, "p")
	ok(t, w.attach(ctx, "r", arn))
	err := remove()
	refused(t, err, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	if status(err) != 409 {
		t.Errorf("status %d", status(err))
	}
	_, err = w.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: new("r"), PolicyArn: &arn})
	ok(t, err)

	_, err = w.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: new("r"), PolicyName: new("in"), PolicyDocument: new(readBucket)})
	ok(t, err)
	refused(t, remove(), "DeleteConflict", "Cannot delete entity, must delete policies first.")
	_, err = w.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: new("r"), PolicyName: new("in")})
	ok(t, err)

	_, err = w.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("ip")})
	ok(t, err)
	_, err = w.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new("ip"), RoleName: new("r")})
	ok(t, err)
	refused(t, remove(), "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	_, err = w.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: new("ip"), RoleName: new("r")})
	ok(t, err)
	ok(t, remove())
	refused(t, remove(), "NoSuchEntity", "The role with name r cannot be found.")
}

func TestListRolesPages(t *testing.T) {
	w := start(t)
	want := []string{"a", "b", "c", "d", "e"}
	for _, name := range []string{"c", "a", "e", "d", "b"} {
		w.role(t, name)
	}
	var got []string
	pages := iam.NewListRolesPaginator(w.Client, &iam.ListRolesInput{MaxItems: new(int32(2))})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		ok(t, err)
		for _, r := range out.Roles {
			got = append(got, *r.RoleName)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	out, err := w.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: new("/other/")})
	ok(t, err)
	if len(out.Roles) != 0 || out.IsTruncated {
		t.Errorf("%+v", out)
	}
}

func TestUpdateRole(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	_, err := w.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: new("r"), Description: new("new"), MaxSessionDuration: new(int32(3700))})
	ok(t, err)
	arn := w.policy(t, "bound")
	_, err = w.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: new("r"), PermissionsBoundary: &arn})
	ok(t, err)
	_, err = w.TagRole(ctx, &iam.TagRoleInput{RoleName: new("r"), Tags: []types.Tag{{Key: new("Env"), Value: new("1")}, {Key: new("x"), Value: new("y")}}})
	ok(t, err)
	_, err = w.TagRole(ctx, &iam.TagRoleInput{RoleName: new("r"), Tags: []types.Tag{{Key: new("env"), Value: new("2")}}})
	ok(t, err)
	_, err = w.UntagRole(ctx, &iam.UntagRoleInput{RoleName: new("r"), TagKeys: []string{"x"}})
	ok(t, err)
	out, err := w.GetRole(ctx, &iam.GetRoleInput{RoleName: new("r")})
	ok(t, err)
	r := out.Role
	if *r.Description != "new" || *r.MaxSessionDuration != 3700 || *r.PermissionsBoundary.PermissionsBoundaryArn != arn {
		t.Errorf("%+v", r)
	}
	if len(r.Tags) != 1 || *r.Tags[0].Key != "env" || *r.Tags[0].Value != "2" {
		t.Errorf("tags %+v", r.Tags)
	}
	_, err = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
	refused(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")
}

func TestInlinePolicies(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	put := func(name, document string) error {
		_, err := w.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: new("r"), PolicyName: &name, PolicyDocument: &document})
		return err
	}
	ok(t, put("b", readBucket))
	ok(t, put("a", readBucket))
	list, err := w.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: new("r")})
	ok(t, err)
	if !slices.Equal(list.PolicyNames, []string{"a", "b"}) {
		t.Errorf("%v", list.PolicyNames)
	}
	got, err := w.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: new("r"), PolicyName: new("a")})
	ok(t, err)
	if d, err := url.PathUnescape(*got.PolicyDocument); err != nil || d != readBucket {
		t.Errorf("%q, %v", d, err)
	}
	refused(t, put("c", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*"}]}`), "MalformedPolicyDocument", "Policy statement must contain resources.")
	refused(t, put("c", strings.Replace(readBucket, "a b+c", strings.Repeat("x", 10300), 1)), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role r")
	_, err = w.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: new("r"), PolicyName: new("c")})
	refused(t, err, "NoSuchEntity", "The role policy with name c cannot be found.")
}

// What was acknowledged is seen at once, and no attachment is lost.
func TestManyClientsAtOnce(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	var arns []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		arns = append(arns, w.policy(t, name))
	}
	var all sync.WaitGroup
	for _, arn := range arns {
		all.Go(func() {
			if err := w.attach(ctx, "r", arn); err != nil {
				t.Error(err)
				return
			}
			out, err := w.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: new("r")})
			if err != nil || !slices.ContainsFunc(out.AttachedPolicies, func(p types.AttachedPolicy) bool { return *p.PolicyArn == arn }) {
				t.Errorf("%s is not there: %v", arn, err)
			}
		})
	}
	all.Wait()
}
