package lambda

import (
	"context"
	"maps"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// tagged is a resource that can have tags: a function or a capacity provider.
type tagged struct {
	function target
	provider string // ARN; empty: a function
}

func parseTagged(ctx context.Context, arn string) (tagged, error) {
	_, _, _, resource, _ := lamina.SplitARN(arn)
	switch kind, _, _ := strings.Cut(resource, ":"); kind {
	case "capacity-provider":
		return tagged{provider: arn}, nil
	case "function":
		t, err := parseTarget(ctx, arn, nil)
		if err == nil && t.qualifier != "" {
			err = lamina.Errorf(lamina.CodeInvalidParameter, textTagsQualified)
		}
		return tagged{function: t}, err
	}
	return tagged{}, lamina.Errorf(lamina.CodeResourceNotFound, textResourceMissing)
}

// checkTags refuses tags that no resource may have.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return lamina.Errorf(lamina.CodeInvalidParameter, textTooManyTags)
	}
	for key := range tags {
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return lamina.Errorf(lamina.CodeInvalidParameter, textReservedTag)
		}
	}
	return nil
}

// retag changes the tags of a resource; change gets a copy and returns it.
func (s *Service) retag(ctx context.Context, arn string, change func(map[string]string)) (*awsproto.Empty, error) {
	resource, err := parseTagged(ctx, arn)
	if err != nil {
		return nil, err
	}
	changed := func(tags map[string]string) (map[string]string, error) {
		next := maps.Clone(tags)
		if next == nil {
			next = map[string]string{}
		}
		change(next)
		return next, checkTags(next)
	}
	if resource.provider != "" {
		_, _, err = s.changeProvider(ctx, resource.provider, func(_ *view.Tx, p *lamina.CapacityProvider) (err error) {
			p.Tags, err = changed(p.Tags)
			return err
		})
		return nil, err
	}
	_, err = s.change(ctx, resource.function, func(_ *view.Tx, f *lamina.Function) (err error) {
		f.Tags, err = changed(f.Tags)
		return err
	})
	return nil, err
}

func (s *Service) tagResource(ctx context.Context, in *model.TagResourceRequest) (*awsproto.Empty, error) {
	return s.retag(ctx, *in.Resource, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, in *model.UntagResourceRequest) (*awsproto.Empty, error) {
	return s.retag(ctx, *in.Resource, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}

func (s *Service) listTags(ctx context.Context, in *model.ListTagsRequest) (*model.ListTagsResponse, error) {
	resource, err := parseTagged(ctx, *in.Resource)
	if err != nil {
		return nil, err
	}
	return caughtUp(ctx, s, func() (*model.ListTagsResponse, error) {
		tags, err := s.at(s.View).tags(lamina.CallerFrom(ctx).Scope, resource)
		if err != nil {
			return nil, err
		}
		if tags == nil {
			tags = map[string]string{}
		}
		return &model.ListTagsResponse{Tags: tags}, nil
	})
}

func (r rows) tags(scope lamina.Scope, resource tagged) (map[string]string, error) {
	if resource.provider != "" {
		row, err := r.providerByARN(scope, resource.provider)
		return row.Value.Tags, err
	}
	row, err := r.function(resource.function)
	return row.Value.Tags, err
}
