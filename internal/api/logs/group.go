package logs

import (
	"context"
	"maps"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/view"
)

const describeLimit = 50 // default and most of both Describe operations

func (a *API) createGroup(ctx context.Context, in *model.CreateLogGroupRequest) (*awsproto.Empty, error) {
	g := lamina.LogGroup{
		Scope:              scopeOf(ctx),
		Name:               *in.LogGroupName,
		Created:            a.now(),
		Class:              model.LogGroupClassStandard,
		KMSKeyID:           value(in.KmsKeyId),
		DeletionProtection: value(in.DeletionProtectionEnabled),
		Tags:               maps.Clone(in.Tags),
	}
	if in.LogGroupClass != nil {
		g.Class = *in.LogGroupClass
	}
	_, err := a.view.Update(ctx, func(tx *view.Tx) error {
		if a.groups.At(tx).Has(g.Key()) {
			return lamina.Errorf(codeAlreadyExists, "The specified log group already exists")
		}
		tx.Guard(a.groups.Absent(g.Key()))
		return tx.Do(a.groups.Put(g.Key(), g))
	})
	return nil, err
}

// deleteGroup removes the streams first, as many as fit one commit each, and the
// group with the last of them, so that no stream is ever without its group.
func (a *API) deleteGroup(ctx context.Context, in *model.DeleteLogGroupRequest) (*awsproto.Empty, error) {
	scope := scopeOf(ctx)
	var gone lamina.LogGroup
	for more := true; more; {
		_, err := a.view.Update(ctx, func(tx *view.Tx) error {
			row, err := a.group(tx, scope, *in.LogGroupName)
			if err != nil {
				return err
			}
			if gone = row.Value; gone.DeletionProtection {
				// Code of the operation's model; text chosen.
				return lamina.Errorf(lamina.CodeValidation, "The log group %s has deletion protection enabled and cannot be deleted.", gone.Name)
			}
			more = a.deleteSome(tx, row)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return nil, a.events.DeleteGroup(ctx, eventsOf(gone))
}

// deleteSome deletes what one commit holds and says whether some is left.
func (a *API) deleteSome(tx *view.Tx, group view.Row[lamina.LogGroup]) (more bool) {
	tx.Guard(a.groups.AtRevision(group))
	ops := 0
	for row := range a.streams.At(tx).Scan(group.Value.StreamPrefix()) {
		if ops++; ops >= store.MaxOps {
			return true
		}
		tx.Do(a.streams.Delete(row.Key))
	}
	tx.Guard(a.streams.PrefixUnchanged(group.Value.StreamPrefix(), tx.Revision()))
	tx.Do(a.groups.Delete(group.Key))
	return false
}

func (a *API) describeGroups(ctx context.Context, in *model.DescribeLogGroupsRequest) (*model.DescribeLogGroupsResponse, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	scope := scopeOf(ctx)
	wants, err := groupFilter(scope, in)
	if err != nil {
		return nil, err
	}
	after, err := decodeToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := limitOf(in.Limit)
	out := &model.DescribeLogGroupsResponse{LogGroups: []model.LogGroup{}}
	for row := range a.groups.At(a.view).Scan(groupKey(scope, value(in.LogGroupNamePrefix))) {
		g := row.Value
		if g.Name <= after.name || !wants(g) {
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = encodeToken(cursor{name: *out.LogGroups[limit-1].LogGroupName})
			break
		}
		shape, err := a.groupShape(g)
		if err != nil {
			return nil, err
		}
		out.LogGroups = append(out.LogGroups, shape)
	}
	return out, nil
}

// groupFilter is what besides the prefix a request wants of a group.
func groupFilter(s lamina.Scope, in *model.DescribeLogGroupsRequest) (func(lamina.LogGroup) bool, error) {
	var names map[string]bool
	if in.LogGroupIdentifiers != nil {
		names = map[string]bool{}
	}
	for _, id := range in.LogGroupIdentifiers {
		name, err := nameOf(s, id)
		switch {
		case lamina.ErrorCode(err) == lamina.CodeResourceNotFound: // not listed, like an unknown name
		case err != nil:
			return nil, err
		default:
			names[name] = true
		}
	}
	return func(g lamina.LogGroup) bool {
		return strings.Contains(g.Name, value(in.LogGroupNamePattern)) &&
			(names == nil || names[g.Name]) &&
			(in.LogGroupClass == nil || *in.LogGroupClass == g.Class)
	}, nil
}

func (a *API) groupShape(g lamina.LogGroup) (model.LogGroup, error) {
	stored, err := a.events.StoredBytes(eventsOf(g))
	if err != nil {
		return model.LogGroup{}, err
	}
	shape := model.LogGroup{
		LogGroupName:              &g.Name,
		CreationTime:              millis(g.Created),
		MetricFilterCount:         new(int32(0)),
		Arn:                       new(g.ARN() + ":*"),
		LogGroupArn:               new(g.ARN()),
		StoredBytes:               &stored,
		LogGroupClass:             &g.Class,
		DeletionProtectionEnabled: &g.DeletionProtection,
	}
	if g.RetentionDays > 0 {
		shape.RetentionInDays = new(int32(g.RetentionDays))
	}
	if g.KMSKeyID != "" {
		shape.KmsKeyId = &g.KMSKeyID
	}
	return shape, nil
}

func limitOf(limit *int32) int {
	if limit == nil {
		return describeLimit
	}
	return int(*limit)
}
