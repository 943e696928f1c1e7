package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Bounds of tags, as EC2 documents them.
const (
	maxTags     = 50
	maxTagKey   = 127
	maxTagValue = 255
)

// taggable is a kind of resource, seen by the tag operations.
type taggable interface {
	idPrefix() string
	retag(t *txn, id string, change func(lamina.Tags) error) error
	tagged(src view.Source, at lamina.Scope) []taggedResource
}

type taggedResource struct {
	kind string
	id   string
	tags lamina.Tags
}

func (s *Service) createTags(ctx context.Context, in *model.CreateTagsRequest) (*awsproto.Empty, error) {
	return nil, s.retagAll(ctx, in.Resources, func(tags lamina.Tags) error {
		return addTags(tags, in.Tags)
	})
}

func (s *Service) deleteTags(ctx context.Context, in *model.DeleteTagsRequest) (*awsproto.Empty, error) {
	return nil, s.retagAll(ctx, in.Resources, func(tags lamina.Tags) error {
		if len(in.Tags) == 0 {
			clear(tags)
		}
		for _, tag := range in.Tags {
			if tag.Value == nil || tags[val(tag.Key)] == *tag.Value {
				delete(tags, val(tag.Key))
			}
		}
		return nil
	})
}

func (s *Service) retagAll(ctx context.Context, ids []string, change func(lamina.Tags) error) error {
	return s.update(ctx, func(t *txn) error {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			if err := s.retag(t, id, change); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) retag(t *txn, id string, change func(lamina.Tags) error) error {
	prefix, _, _ := strings.Cut(id, "-")
	if prefix == "i" {
		return s.refuseManaged(t, t.Scope, []string{id})
	}
	for _, k := range s.kinds {
		if k.idPrefix() == prefix {
			return k.retag(t, id, change)
		}
	}
	return lamina.Errorf("InvalidID", "The ID '%s' is not valid", id)
}

// addTags puts tags into a set.
func addTags(into lamina.Tags, tags []model.Tag) error {
	for _, tag := range tags {
		key, value := val(tag.Key), val(tag.Value)
		switch {
		case key == "":
			return lamina.Errorf("InvalidParameterValue", "Tag keys must be at least 1 character long")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return lamina.Errorf("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case len([]rune(key)) > maxTagKey:
			return lamina.Errorf("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
		case len([]rune(value)) > maxTagValue:
			return lamina.Errorf("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
		into[key] = value
	}
	if len(into) > maxTags {
		return lamina.Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
	}
	return nil
}

// tagsFor reads the tags that a creation gives to resources of one type.
func tagsFor(resource string, specs []model.TagSpecification) (lamina.Tags, error) {
	tags := lamina.Tags{}
	for _, spec := range specs {
		if val(spec.ResourceType) != resource {
			return nil, lamina.Errorf("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", val(spec.ResourceType))
		}
		if err := addTags(tags, spec.Tags); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// tagSet shows tags, sorted by key.
func tagSet(tags lamina.Tags) []model.Tag {
	out := make([]model.Tag, 0, len(tags))
	for _, key := range sortedKeys(tags) {
		out = append(out, model.Tag{Key: &key, Value: new(tags[key])})
	}
	return out
}

func sortedKeys(tags lamina.Tags) []string { return slices.Sorted(maps.Keys(tags)) }

func tagValues(tags lamina.Tags) []string { return slices.Collect(maps.Values(tags)) }

// tagRow is one line of DescribeTags.
type tagRow struct{ kind, id, key, value string }

func (r tagRow) order() string { return r.kind + "/" + r.id + "/" + r.key }

var tagFields = fields[tagRow]{
	"key":           func(r tagRow) []string { return []string{r.key} },
	"value":         func(r tagRow) []string { return []string{r.value} },
	"resource-id":   func(r tagRow) []string { return []string{r.id} },
	"resource-type": func(r tagRow) []string { return []string{r.kind} },
}

func (s *Service) describeTags(ctx context.Context, in *model.DescribeTagsRequest) (*model.DescribeTagsResult, error) {
	if err := tagFields.check(in.Filters); err != nil {
		return nil, err
	}
	var rows []tagRow
	for _, row := range s.tagRows(scopeOf(ctx)) {
		ok, err := tagFields.matches(in.Filters, row, lamina.Tags{row.key: row.value})
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b tagRow) int { return strings.Compare(a.order(), b.order()) })
	rows, next, err := page(rows, tagRow.order, in.MaxResults, in.NextToken)
	out := make([]model.TagDescription, 0, len(rows))
	for _, r := range rows {
		out = append(out, model.TagDescription{ResourceId: &r.id, ResourceType: &r.kind, Key: &r.key, Value: &r.value})
	}
	return &model.DescribeTagsResult{Tags: out, NextToken: next}, err
}

func (s *Service) tagRows(at lamina.Scope) []tagRow {
	var rows []tagRow
	snapshot := s.view.Snapshot()
	for _, k := range s.kinds {
		for _, r := range k.tagged(snapshot, at) {
			rows = append(rows, r.rows()...)
		}
	}
	for _, i := range s.managed(snapshot, at) {
		rows = append(rows, taggedResource{kind: "instance", id: i.ID, tags: s.instanceTags(snapshot, i)}.rows()...)
	}
	return rows
}

func (r taggedResource) rows() []tagRow {
	out := make([]tagRow, 0, len(r.tags))
	for key, value := range r.tags {
		out = append(out, tagRow{kind: r.kind, id: r.id, key: key, value: value})
	}
	return out
}
