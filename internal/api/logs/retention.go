package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// retentionDays are the values AWS's reference of PutRetentionPolicy lists.
var retentionDays = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (a *API) putRetention(ctx context.Context, in *model.PutRetentionPolicyRequest) (*awsproto.Empty, error) {
	if days := *in.RetentionInDays; !slices.Contains(retentionDays, days) {
		allowed := strings.ReplaceAll(fmt.Sprint(retentionDays), " ", ", ")
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s", days, allowed)
	}
	return nil, a.setRetention(ctx, *in.LogGroupName, int(*in.RetentionInDays))
}

func (a *API) deleteRetention(ctx context.Context, in *model.DeleteRetentionPolicyRequest) (*awsproto.Empty, error) {
	return nil, a.setRetention(ctx, *in.LogGroupName, 0)
}

func (a *API) setRetention(ctx context.Context, group string, days int) error {
	g, err := a.change(ctx, group, func(g *lamina.LogGroup) error {
		g.RetentionDays = days
		return nil
	})
	if err == nil {
		a.events.SetRetention(eventsOf(g), days)
	}
	return err
}

// change edits a group object of the caller.
func (a *API) change(ctx context.Context, group string, edit func(*lamina.LogGroup) error) (g lamina.LogGroup, err error) {
	scope := scopeOf(ctx)
	_, err = a.view.Update(ctx, func(tx *view.Tx) error {
		row, err := a.group(tx, scope, group)
		if err != nil {
			return err
		}
		g = row.Value
		if err := edit(&g); err != nil {
			return err
		}
		tx.Guard(a.groups.AtRevision(row))
		return tx.Do(a.groups.Put(row.Key, g))
	})
	return g, err
}
