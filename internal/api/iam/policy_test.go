package iam_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	core "github.com/lamina-dev/lamina/internal/iam"
)

const basicExecution = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

// The managed policies that the issue and Terraform's examples name are there,
// readable and attachable.
func TestManagedPolicies(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	for _, arn := range []string{
		"arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator", basicExecution,
		"arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
		"arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole",
		"arn:aws:iam::aws:policy/service-role/AWSLambdaKinesisExecutionRole",
		"arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole",
		"arn:aws:iam::aws:policy/service-role/AWSLambdaMSKExecutionRole",
		"arn:aws:iam::aws:policy/AWSLambda_FullAccess",
	} {
		ok(t, w.attach(ctx, "r", arn))
		p, err := w.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
		ok(t, err)
		if *p.Policy.Arn != arn || *p.Policy.AttachmentCount != 1 {
			t.Errorf("%+v", p.Policy)
		}
		v, err := w.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: p.Policy.DefaultVersionId})
		ok(t, err)
		if d, err := url.PathUnescape(*v.PolicyVersion.Document); err != nil || !strings.Contains(d, "2012-10-17") {
			t.Errorf("%s: %q, %v", arn, d, err)
		}
	}
	out, err := w.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws})
	ok(t, err)
	if len(out.Policies) != len(core.Managed) {
		t.Errorf("%d policies are listed", len(out.Policies))
	}
	_, err = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: new(basicExecution)})
	refused(t, err, "AccessDenied", "")
}

// Terraform's steps around an attachment, on one role.
func TestAttachments(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	arn := w.policy(t, "mine")
	for range 2 { // a second time changes nothing
		ok(t, w.attach(ctx, "r", arn))
		ok(t, w.attach(ctx, "r", basicExecution))
	}
	list, err := w.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: new("r")})
	ok(t, err)
	if got := list.AttachedPolicies; len(got) != 2 || *got[0].PolicyName != "AWSLambdaBasicExecutionRole" || *got[1].PolicyArn != arn || list.IsTruncated {
		t.Errorf("%+v", list)
	}
	list, err = w.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: new("r"), PathPrefix: new("/service-role/")})
	ok(t, err)
	if len(list.AttachedPolicies) != 1 {
		t.Errorf("%+v", list)
	}
	who, err := w.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &arn})
	ok(t, err)
	if len(who.PolicyRoles) != 1 || *who.PolicyRoles[0].RoleName != "r" {
		t.Errorf("%+v", who)
	}
	refused(t, w.attach(ctx, "r", "arn:aws:iam::aws:policy/NoSuchThing"), "NoSuchEntity", "Policy arn:aws:iam::aws:policy/NoSuchThing does not exist or is not attachable.")
	refused(t, w.attach(ctx, "r", "this is not an ARN at all"), "InvalidInput", "")
	refused(t, w.attach(ctx, "none", arn), "NoSuchEntity", "The role with name none cannot be found.")
	detach := func() error {
		_, err := w.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: new("r"), PolicyArn: &arn})
		return err
	}
	ok(t, detach())
	refused(t, detach(), "NoSuchEntity", "Policy "+arn+" was not found.")
}

func TestAttachmentQuota(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	for _, name := range strings.Split("abcdefghij", "") {
		ok(t, w.attach(ctx, "r", w.policy(t, name)))
	}
	refused(t, w.attach(ctx, "r", basicExecution), "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
}

func TestPolicyVersions(t *testing.T) {
	w, ctx := start(t), t.Context()
	arn := w.policy(t, "p")
	add := func(inForce bool) (*iam.CreatePolicyVersionOutput, error) {
		return w.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: new(readBucket), SetAsDefault: inForce})
	}
	for i := range 4 {
		_, err := add(i == 0)
		ok(t, err)
	}
	_, err := add(false)
	refused(t, err, "LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	list, err := w.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &arn})
	ok(t, err)
	if got := list.Versions; len(got) != 5 || *got[0].VersionId != "v5" || *got[3].VersionId != "v2" || !got[3].IsDefaultVersion {
		t.Errorf("%+v", got)
	}
	drop := func(id string) error {
		_, err := w.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &id})
		return err
	}
	refused(t, drop("v2"), "DeleteConflict", "Cannot delete the default version of a policy.")
	refused(t, drop("v9"), "NoSuchEntity", "Policy "+arn+" version v9 does not exist or is not attachable.")
	ok(t, drop("v5"))
	out, err := add(false)
	ok(t, err)
	if *out.PolicyVersion.VersionId != "v6" {
		t.Errorf("a number was used again: %s", *out.PolicyVersion.VersionId)
	}
	_, err = w.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: new("v6")})
	ok(t, err)
	p, err := w.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	ok(t, err)
	if *p.Policy.DefaultVersionId != "v6" {
		t.Errorf("%+v", p.Policy)
	}
	_, err = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
	refused(t, err, "DeleteConflict", "")
	for _, id := range []string{"v1", "v2", "v3", "v4"} {
		ok(t, drop(id))
	}
	_, err = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
	ok(t, err)
	_, err = w.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	refused(t, err, "NoSuchEntity", "Policy "+arn+" was not found.")
}

// What begins to use a thing while it is being deleted keeps it.
func TestUsedWhileDeleted(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	arn := w.policy(t, "p")
	_, err := w.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("ip")})
	ok(t, err)

	attach := func() { ok(t, w.attach(ctx, "r", arn)) }
	w.store.first.Store(&attach)
	_, err = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
	refused(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")
	_, err = w.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: new("r"), PolicyArn: &arn})
	ok(t, err)

	add := func() {
		_, err := w.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new("ip"), RoleName: new("r")})
		ok(t, err)
	}
	w.store.first.Store(&add)
	_, err = w.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: new("r")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
}

// What is deleted while something begins to use it is not used.
func TestDeletedWhileUsed(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	arn := w.policy(t, "p")
	_, err := w.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: new("ip")})
	ok(t, err)

	drop := func() {
		_, err := w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
		ok(t, err)
	}
	w.store.first.Store(&drop)
	refused(t, w.attach(ctx, "r", arn), "NoSuchEntity", "Policy "+arn+" does not exist or is not attachable.")

	remove := func() {
		_, err := w.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: new("r")})
		ok(t, err)
	}
	w.store.first.Store(&remove)
	_, err = w.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: new("ip"), RoleName: new("r")})
	refused(t, err, "NoSuchEntity", "The role with name r cannot be found.")
}

// Whichever comes first, no role ends up with a policy that is gone.
func TestAttachAgainstDelete(t *testing.T) {
	w, ctx := start(t), t.Context()
	w.role(t, "r")
	for range 20 {
		arn := w.policy(t, "p")
		var both sync.WaitGroup
		var attached, deleted error
		both.Go(func() { attached = w.attach(ctx, "r", arn) })
		both.Go(func() { _, deleted = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn}) })
		both.Wait()
		if (attached == nil) == (deleted == nil) {
			t.Fatalf("attach: %v, delete: %v", attached, deleted)
		}
		if attached == nil {
			_, err := w.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: new("r"), PolicyArn: &arn})
			ok(t, err)
			_, err = w.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
			ok(t, err)
		}
	}
}

// The service's own checks follow what the API writes.
func TestOperatorRole(t *testing.T) {
	w, ctx := start(t), t.Context()
	const arn = "arn:aws:iam::000000000000:role/operator"
	if err := w.roles.AssumableByLambda(ctx, arn); err == nil {
		t.Error("a role that does not exist can be assumed")
	}
	w.role(t, "operator")
	ok(t, w.roles.AssumableByLambda(ctx, arn))
	if w.roles.MayLaunch(ctx, arn) == nil {
		t.Error("a role without policies may launch")
	}
	ok(t, w.attach(ctx, "operator", "arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"))
	ok(t, w.roles.MayLaunch(ctx, arn))
	_, err := w.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: new("operator"), PermissionsBoundary: new(basicExecution)})
	ok(t, err)
	if w.roles.MayLaunch(ctx, arn) == nil {
		t.Error("the boundary is not heeded")
	}
	_, err = w.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: new("operator"), PolicyDocument: new(strings.Replace(trustLambda, "lambda", "ec2", 1))})
	ok(t, err)
	if w.roles.AssumableByLambda(ctx, arn) == nil {
		t.Error("Lambda is trusted no more, yet assumes the role")
	}
}
