package logs

import (
	"context"
	"maps"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

const maxTags = 50

func (a *API) tagGroup(ctx context.Context, in *model.TagLogGroupRequest) (*awsproto.Empty, error) {
	return nil, a.tag(ctx, *in.LogGroupName, in.Tags)
}

func (a *API) untagGroup(ctx context.Context, in *model.UntagLogGroupRequest) (*awsproto.Empty, error) {
	return nil, a.untag(ctx, *in.LogGroupName, in.Tags)
}

func (a *API) listGroupTags(ctx context.Context, in *model.ListTagsLogGroupRequest) (*model.ListTagsLogGroupResponse, error) {
	tags, err := a.tagsOf(ctx, *in.LogGroupName)
	if err != nil {
		return nil, err
	}
	return &model.ListTagsLogGroupResponse{Tags: tags}, nil
}

func (a *API) tagResource(ctx context.Context, in *model.TagResourceRequest) (*awsproto.Empty, error) {
	name, err := nameOf(scopeOf(ctx), *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, a.tag(ctx, name, in.Tags)
}

func (a *API) untagResource(ctx context.Context, in *model.UntagResourceRequest) (*awsproto.Empty, error) {
	name, err := nameOf(scopeOf(ctx), *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return nil, a.untag(ctx, name, in.TagKeys)
}

func (a *API) listTags(ctx context.Context, in *model.ListTagsForResourceRequest) (*model.ListTagsForResourceResponse, error) {
	name, err := nameOf(scopeOf(ctx), *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := a.tagsOf(ctx, name)
	if err != nil {
		return nil, err
	}
	return &model.ListTagsForResourceResponse{Tags: tags}, nil
}

func (a *API) tag(ctx context.Context, group string, tags map[string]string) error {
	_, err := a.change(ctx, group, func(g *lamina.LogGroup) error {
		all := map[string]string{}
		maps.Copy(all, g.Tags)
		maps.Copy(all, tags)
		if len(all) > maxTags {
			return lamina.Errorf(codeTooManyTags, "Resource can have at most %d tags.", maxTags) // text chosen
		}
		g.Tags = all
		return nil
	})
	return err
}

func (a *API) untag(ctx context.Context, group string, keys []string) error {
	_, err := a.change(ctx, group, func(g *lamina.LogGroup) error {
		g.Tags = maps.Clone(g.Tags)
		for _, k := range keys {
			delete(g.Tags, k)
		}
		return nil
	})
	return err
}

// tagsOf never answers with a nil map: AWS shows no tags as {}.
func (a *API) tagsOf(ctx context.Context, group string) (map[string]string, error) {
	row, err := a.group(a.view, scopeOf(ctx), group)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	maps.Copy(tags, row.Value.Tags)
	return tags, nil
}
