// Package iam is the operations of AWS's Identity and Access Management that
// Lambda's users call: roles, policies, attachments, instance profiles.
package iam

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Service serves the operations.
type Service struct {
	View   *view.View
	Tables tables.IAM
	Clock  lamina.Clock

	// LinkedTo lists the ARNs that keep an account's service-linked role of
	// Lambda from being deleted: its capacity providers. Nil: none.
	LinkedTo func(account string) []string
}

// Register adds every operation to the front door.
func (s *Service) Register(m *awsproto.Mux) {
	s.registerRoles(m)
	s.registerPolicies(m)
	s.registerProfiles(m)
	s.registerLinked(m)
	awsproto.Handle(m, model.GetUser, s.getUser)
	awsproto.Handle(m, model.ListUsers, s.listUsers)
	awsproto.Handle(m, model.ListAccountAliases, s.listAccountAliases)
}

func account(ctx context.Context) string { return lamina.CallerFrom(ctx).Account }

// now has IAM's precision.
func (s *Service) now() time.Time { return s.Clock().UTC().Truncate(time.Second) }

// escape is how IAM shows documents: RFC 3986, with %20 for a space.
func escape(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// find reads one row, and once more at the store's head where the view has none.
func find[T any](ctx context.Context, v *view.View, t *view.Table[T], key string) (view.Row[T], bool, error) {
	row, ok := t.Get(key)
	if ok {
		return row, true, nil
	}
	if err := v.CatchUp(ctx); err != nil {
		return row, false, err
	}
	row, ok = t.Get(key)
	return row, ok, nil
}

// defaultPage is how many items IAM lists at once.
const defaultPage = 100

// page cuts one page of names-ordered items; the marker is the key of the last one shown.
func page[T any](items []T, key func(T) string, marker *string, max *int32) (cut []T, truncated *bool, next *string) {
	start := 0
	if marker != nil {
		start, _ = slices.BinarySearchFunc(items, *marker, func(item T, m string) int {
			if key(item) <= m {
				return -1
			}
			return 1
		})
	}
	size := defaultPage
	if max != nil {
		size = int(*max)
	}
	end := min(len(items), start+size)
	if end < len(items) {
		next = new(key(items[end-1]))
	}
	return items[start:end], new(end < len(items)), next
}

func tagsOf(tags map[string]string) []model.Tag {
	out := []model.Tag{}
	for _, k := range sortedKeys(tags) {
		out = append(out, model.Tag{Key: new(k), Value: new(tags[k])})
	}
	return out
}

func tagKey(t model.Tag) string { return *t.Key }

// withTags gives a new map with the tags added. Keys are the same whatever
// their case; the newest spelling stays.
func withTags(old map[string]string, add []model.Tag) (map[string]string, error) {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]string{}
	}
	seen := map[string]bool{}
	for _, t := range add {
		folded := strings.ToLower(*t.Key)
		if seen[folded] {
			return nil, lamina.Errorf("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[folded] = true
		maps.DeleteFunc(out, func(k, _ string) bool { return strings.ToLower(k) == folded })
		out[*t.Key] = *t.Value
	}
	if len(out) > maxTags {
		return nil, lamina.Errorf("LimitExceeded", "The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func withoutTags(old map[string]string, keys []string) map[string]string {
	out := maps.Clone(old)
	for _, key := range keys {
		maps.DeleteFunc(out, func(k, _ string) bool { return strings.EqualFold(k, key) })
	}
	return out
}

// sortedKeys is never nil, so that an answer shows an empty list.
func sortedKeys[V any](m map[string]V) []string {
	keys := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

func path(p *string) (string, error) {
	if p == nil || *p == "" {
		return "/", nil
	}
	if !strings.HasPrefix(*p, "/") || !strings.HasSuffix(*p, "/") {
		return "", lamina.Errorf("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return *p, nil
}

func prefixed(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}

func (s *Service) getUser(ctx context.Context, in *model.GetUserRequest) (*model.GetUserResponse, error) {
	if in.UserName != nil {
		return nil, lamina.Errorf("NoSuchEntity", "The user with name %s cannot be found.", *in.UserName)
	}
	c := lamina.CallerFrom(ctx)
	if !strings.HasSuffix(c.ARN, ":root") {
		return nil, lamina.Errorf("ValidationError", "Must specify userName when calling with non-User credentials")
	}
	return &model.GetUserResponse{User: &model.User{Path: new("/"), UserName: new("root"), UserId: &c.UserID, Arn: &c.ARN, CreateDate: new(s.now())}}, nil
}

func (s *Service) listUsers(context.Context, *model.ListUsersRequest) (*model.ListUsersResponse, error) {
	return &model.ListUsersResponse{Users: []model.User{}, IsTruncated: new(false)}, nil
}

func (s *Service) listAccountAliases(context.Context, *model.ListAccountAliasesRequest) (*model.ListAccountAliasesResponse, error) {
	return &model.ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: new(false)}, nil
}
