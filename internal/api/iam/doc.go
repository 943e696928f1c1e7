// Package iam is the operations of AWS's IAM API that roles, policies and
// instance profiles need: what Terraform and the AWS CLI call, with AWS's own
// errors. IAM is global: an account's resources are the same in every region.
package iam
