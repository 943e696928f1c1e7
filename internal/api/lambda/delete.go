package lambda

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// deleteFunction marks a function or one version for deletion. The controller
// ends what runs and then removes the rows.
func (s *Service) deleteFunction(ctx context.Context, in *model.DeleteFunctionRequest) (*model.DeleteFunctionResponse, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	switch {
	case err != nil:
		return nil, err
	case t.qualifier == lamina.Latest:
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textDeleteLatest)
	case t.qualifier != "" && !isVersion(t.qualifier):
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textDeleteAlias)
	}
	var managed bool
	_, err = caughtUp(ctx, s, func() (int64, error) {
		return s.View.Update(ctx, func(tx *view.Tx) error {
			row, err := s.at(tx).function(t)
			if err != nil {
				return err
			}
			managed = row.Value.Config.Managed()
			if t.qualifier != "" {
				return s.deleteVersion(tx, t, row.Value)
			}
			f := row.Value
			f.Deleting = true
			tx.Guard(s.Tables.Functions.AtRevision(row))
			return tx.Do(s.Tables.Functions.Put(row.Key, f))
		})
	})
	if err != nil {
		return nil, err
	}
	if managed {
		return &model.DeleteFunctionResponse{StatusCode: new(int32(http.StatusAccepted))}, nil
	}
	return &model.DeleteFunctionResponse{StatusCode: new(int32(http.StatusNoContent))}, nil
}

// deleteVersion refuses while an alias points at the version.
func (s *Service) deleteVersion(tx *view.Tx, t target, f lamina.Function) error {
	row, err := s.at(tx).published(t, f, t.qualifier)
	if err != nil {
		return err
	}
	if names := s.at(tx).aliasesOf(f, t.qualifier); len(names) > 0 {
		return lamina.Errorf(lamina.CodeResourceConflict, textAliasReferences, names)
	}
	v := row.Value
	v.Deleting = true
	tx.Guard(s.Tables.Versions.AtRevision(row), s.Tables.Aliases.PrefixUnchanged(f.Key()+"/", tx.Revision()))
	return tx.Do(s.Tables.Versions.Put(row.Key, v))
}

// aliasesOf lists the aliases that name a version, as "[a, b]"; empty: none.
func (r rows) aliasesOf(f lamina.Function, qualifier string) string {
	var names []string
	for row := range r.aliases.Scan(f.Key() + "/") {
		_, weighted := row.Value.Weights[qualifier]
		if weighted || row.Value.Version == qualifier {
			names = append(names, row.Value.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "[" + strings.Join(names, ", ") + "]"
}
