package lambda

import (
	"context"
	"strconv"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// publication is a wish to publish $LATEST.
type publication struct {
	toLatestPublished bool
	description       *string // nil: $LATEST's own
}

// publicationOf judges a request's PublishTo.
func publicationOf(f lamina.Function, to, description *string) (publication, error) {
	p := publication{toLatestPublished: to != nil, description: description}
	if p.toLatestPublished && !f.Config.Managed() {
		return p, lamina.Errorf(lamina.CodeInvalidParameter, textOrdinaryTo)
	}
	return p, nil
}

// publishVersion serves PublishVersion.
func (s *Service) publishVersion(ctx context.Context, in *model.PublishVersionRequest) (*model.FunctionConfiguration, error) {
	t, err := parseTarget(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	var out *model.FunctionConfiguration
	_, err = s.change(ctx, t, func(tx *view.Tx, f *lamina.Function) error {
		if err := checkRevision(in.RevisionId, s.at(tx).revision(*f), readFunction); err != nil {
			return err
		}
		if current := codeSHA(f.Config); in.CodeSha256 != nil && *in.CodeSha256 != "" && *in.CodeSha256 != current {
			return lamina.Errorf(lamina.CodeInvalidParameter, textCodeSHA, *in.CodeSha256, current)
		}
		p, err := publicationOf(*f, in.PublishTo, in.Description)
		if err != nil {
			return err
		}
		v, st, err := s.publish(tx, f, p)
		out = versionAnswer(v, st)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// publish adds the version to the transaction. The caller stores the function,
// whose LastVersion it may have advanced and whose RevisionId is another, as on
// AWS. An unchanged function gives its last
// number again, with nothing written.
func (s *Service) publish(tx *view.Tx, f *lamina.Function, p publication) (lamina.Version, standing, error) {
	v := lamina.Version{
		Scope: f.Scope, Function: f.Name, Config: f.Config, Generation: 1, Source: configSHA(f.Config),
		Incarnation: newRevision(), RevisionID: newRevision(), LastModified: s.Now(),
	}
	if p.description != nil && *p.description != "" {
		v.Config.Description = *p.description
	}
	if p.toLatestPublished {
		return s.publishLatest(tx, f, v)
	}
	return s.publishNumber(tx, f, v)
}

func (s *Service) publishNumber(tx *view.Tx, f *lamina.Function, v lamina.Version) (lamina.Version, standing, error) {
	if last, st, ok := s.at(tx).lastNumber(*f); ok && last.Source == v.Source {
		return last, st, nil
	}
	f.LastVersion++
	f.RevisionID = newRevision()
	v.Qualifier = strconv.FormatInt(f.LastVersion, 10)
	if err := s.checkVersionLimit(tx, v); err != nil {
		return v, standing{}, err
	}
	tx.Guard(s.Tables.Versions.Absent(v.Key()))
	st := beingCreated
	if !v.Config.Managed() {
		st = active // nothing has to be brought up for an ordinary function
	}
	return v, st, tx.Do(s.Tables.Versions.Put(v.Key(), v))
}

// lastNumber is the newest number if publishing the same again may give it. A
// Failed version stays Failed, so it does not count.
func (r rows) lastNumber(f lamina.Function) (lamina.Version, standing, bool) {
	row, ok := r.versions.Get(lamina.VersionKey(f.Scope, f.Name, strconv.FormatInt(f.LastVersion, 10)))
	if !ok {
		return lamina.Version{}, standing{}, false
	}
	st := r.version(f, row.Value)
	usable := st.state != lamina.StateFailed && st.state != lamina.StateDeleting
	return row.Value, st, usable
}

// publishLatest overwrites $LATEST.PUBLISHED. The generation that serves stays
// with the row until the new one does.
func (s *Service) publishLatest(tx *view.Tx, f *lamina.Function, v lamina.Version) (lamina.Version, standing, error) {
	v.Qualifier = lamina.LatestPublished
	f.RevisionID = newRevision()
	r := s.at(tx)
	row, ok := r.versions.Get(v.Key())
	if !ok {
		if err := s.checkVersionLimit(tx, v); err != nil {
			return v, standing{}, err
		}
		tx.Guard(s.Tables.Versions.Absent(v.Key()))
		return v, comingUp(v, lamina.VersionStatus{}), tx.Do(s.Tables.Versions.Put(v.Key(), v))
	}
	former := row.Value
	switch now := r.version(*f, former); {
	case now.state == lamina.StateDeleting:
		return v, standing{}, lamina.Errorf(lamina.CodeResourceConflict, textWrongState, now.state)
	case now.publishing():
		return v, standing{}, lamina.Errorf(lamina.CodeResourceConflict, textInProgress, former.ARN())
	}
	if !sameProvider(former.Config, v.Config) {
		if err := s.checkVersionLimit(tx, v); err != nil {
			return v, standing{}, err
		}
	}
	status, _ := r.status.Get(v.Key()) // exists, or the version would still be publishing
	v.Incarnation, v.Generation = former.Incarnation, former.Generation+1
	v.Previous, v.PreviousGen = serving(former, status.Value)
	tx.Guard(s.Tables.Versions.AtRevision(row), s.Tables.VersionStatus.AtRevision(status))
	return v, comingUp(v, status.Value), tx.Do(s.Tables.Versions.Put(v.Key(), v))
}

// serving is the configuration that runs now, if any does.
func serving(v lamina.Version, st lamina.VersionStatus) (*lamina.FunctionConfig, int64) {
	switch {
	case st.Serving == 0:
		return nil, 0
	case st.Serving == v.Generation:
		return &v.Config, v.Generation
	case st.Serving == v.PreviousGen:
		return v.Previous, v.PreviousGen
	}
	return nil, 0
}

func sameProvider(a, b lamina.FunctionConfig) bool {
	return a.Managed() && b.Managed() && a.Capacity.ProviderARN == b.Capacity.ProviderARN
}

// checkVersionLimit bounds the versions on the provider of one that is added.
func (s *Service) checkVersionLimit(tx *view.Tx, added lamina.Version) error {
	if !added.Config.Managed() {
		return nil
	}
	n, prefix := 0, scopePrefix(added.Scope)
	for row := range s.at(tx).versions.Scan(prefix) {
		if sameProvider(row.Value.Config, added.Config) && row.Key != added.Key() {
			n++
		}
	}
	if n >= lamina.MaxProviderVersions {
		arn := added.Config.Capacity.ProviderARN
		return lamina.Errorf(codeVersionLimit, textProviderVersionLimit, lamina.MaxProviderVersions, arn)
	}
	if n >= lamina.MaxProviderVersions/2 {
		// Near the limit, others may not add versions meanwhile.
		tx.Guard(s.Tables.Versions.PrefixUnchanged(prefix, tx.Revision()))
	}
	return nil
}

// scopePrefix is what the keys of one account and region begin with.
func scopePrefix(s lamina.Scope) string { return lamina.Key(s.Account, s.Region, "") }

// readFunction is what tells the revision of a function or alias, in AWS's words.
const readFunction = "GetFunction/GetAlias"

// checkRevision compares the RevisionId that a caller expects, if any; reader is
// what tells it.
func checkRevision(expected *string, current, reader string) error {
	if expected == nil || *expected == "" || *expected == current {
		return nil
	}
	return lamina.Errorf(lamina.CodePrecondition, textRevision, reader)
}
