package lambda

import (
	"crypto/sha256"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// standing is the life-cycle state of one qualifier as clients see it. Empty
// members are left out of answers.
type standing struct {
	state                            lamina.State
	reason, code                     string
	update, updateReason, updateCode string
}

// What answers show at the moments that no stored status tells of.
var (
	beingCreated = standing{state: lamina.StatePending, reason: lamina.TextCreating, code: lamina.ReasonCreating}
	beingDeleted = standing{state: lamina.StateDeleting, update: lamina.UpdateInProgress}
	uninvocable  = standing{state: lamina.StateActiveNonInvocable, update: lamina.UpdateSuccessful}
	active       = standing{state: lamina.StateActive, update: lamina.UpdateSuccessful}
)

// updating is the answer to an update of code or configuration (L, S).
func (st standing) updating() standing {
	st.update, st.updateReason, st.updateCode = lamina.UpdateInProgress, lamina.TextCreating, lamina.ReasonCreating
	return st
}

// rows is the tables as of one moment.
type rows struct {
	providers      view.Rows[lamina.CapacityProvider]
	providerStatus view.Rows[lamina.CapacityProviderStatus]
	functions      view.Rows[lamina.Function]
	versions       view.Rows[lamina.Version]
	status         view.Rows[lamina.VersionStatus]
	scaling        view.Rows[lamina.ScalingConfig]
	aliases        view.Rows[lamina.Alias]
	layers         view.Rows[lamina.Layer]
	layerVersions  view.Rows[lamina.LayerVersion]
}

func (s *Service) at(src view.Source) rows {
	snap := src.Snapshot()
	return rows{
		providers:      s.Tables.Providers.At(snap),
		providerStatus: s.Tables.ProviderStatus.At(snap),
		functions:      s.Tables.Functions.At(snap),
		versions:       s.Tables.Versions.At(snap),
		status:         s.Tables.VersionStatus.At(snap),
		scaling:        s.Tables.Scaling.At(snap),
		aliases:        s.Tables.Aliases.At(snap),
		layers:         s.Tables.Layers.At(snap),
		layerVersions:  s.Tables.LayerVersions.At(snap),
	}
}

func (r rows) providerState(p lamina.CapacityProvider) lamina.State {
	st, ok := r.providerStatus.Get(p.Key())
	switch {
	case p.Deleting:
		return lamina.StateDeleting
	case !ok:
		return lamina.StatePending
	}
	return st.Value.State
}

// latest is the standing of $LATEST.
func (r rows) latest(f lamina.Function) standing {
	switch {
	case f.Deleting:
		return beingDeleted
	case !f.Config.Managed():
		return r.ordinary(lamina.Version{Scope: f.Scope, Function: f.Name, Qualifier: lamina.Latest})
	case r.createPending(f):
		return beingCreated
	}
	return uninvocable
}

// createPending says that CreateFunction published a version which is neither
// Active nor Failed yet, so that $LATEST is still Pending.
func (r rows) createPending(f lamina.Function) bool {
	if f.CreatedWith == "" {
		return false
	}
	key := lamina.VersionKey(f.Scope, f.Name, f.CreatedWith)
	v, ok := r.versions.Get(key)
	if !ok || v.Value.Deleting {
		return false
	}
	st, ok := r.status.Get(key)
	return !ok || !st.Value.Settled
}

// version is the standing of a published version.
func (r rows) version(f lamina.Function, v lamina.Version) standing {
	if f.Deleting || v.Deleting {
		return beingDeleted
	}
	if !v.Config.Managed() {
		return r.ordinary(v)
	}
	st, ok := r.status.Get(v.Key())
	if !ok || st.Value.Generation < v.Generation {
		return comingUp(v, st.Value)
	}
	return settled(v, st.Value)
}

// ordinary is the standing of any qualifier of an ordinary function: usable at
// once, unless the controller has found out that it is not.
func (r rows) ordinary(v lamina.Version) standing {
	row, _ := r.versions.Get(v.Key())
	st, ok := r.status.Get(v.Key())
	if ok && st.Value.State == lamina.StateFailed && st.Value.Generation >= row.Value.Generation {
		return settled(v, st.Value)
	}
	return active
}

// comingUp is the standing of a version whose newest generation the controller
// has not taken up: the former one keeps its state, a first one is Pending.
func comingUp(v lamina.Version, former lamina.VersionStatus) standing {
	st := beingCreated
	keeps := former.State == lamina.StateDeactivating || former.State == lamina.StateDeactivated
	if former.Serving != 0 || keeps {
		st = standing{state: former.State, reason: former.Reason, code: former.ReasonCode}
	}
	if v.Qualifier == lamina.LatestPublished {
		st.update, st.updateReason, st.updateCode = lamina.UpdateInProgress, lamina.TextUpdating, lamina.ReasonUpdating
	}
	return st
}

// settled is what the controller wrote. Terraform reads a missing
// LastUpdateStatus as "in progress", so every state but Pending has one.
func settled(v lamina.Version, st lamina.VersionStatus) standing {
	out := standing{st.State, st.Reason, st.ReasonCode, st.UpdateStatus, st.UpdateReason, st.UpdateReasonCode}
	switch {
	case st.State == lamina.StatePending && st.Reason == "":
		out.reason, out.code = lamina.TextCreating, lamina.ReasonCreating
	case st.State == lamina.StatePending || st.UpdateStatus != "":
	case st.State == lamina.StateFailed:
		out.update, out.updateReason, out.updateCode = lamina.UpdateFailed, st.Reason, st.ReasonCode
	default:
		out.update = lamina.UpdateSuccessful
	}
	if st.State == lamina.StatePending && out.update == "" && v.Qualifier == lamina.LatestPublished {
		out.update, out.updateReason, out.updateCode = lamina.UpdateInProgress, lamina.TextUpdating, lamina.ReasonUpdating
	}
	return out
}

// revision is the RevisionId of $LATEST in this standing. AWS gives it another one
// when a creation or an update is done (seen; that of a version stays). What
// follows from the stored one needs no writing.
func (st standing) revision(f lamina.Function) string {
	if st.publishing() && st.state != lamina.StateDeleting {
		return f.RevisionID
	}
	sum := sha256.Sum256([]byte("settled " + f.RevisionID))
	return uuid([16]byte(sum[:16]))
}

// revision is the RevisionId of $LATEST now.
func (r rows) revision(f lamina.Function) string { return r.latest(f).revision(f) }

// publishing says that a version is still being brought up.
func (st standing) publishing() bool {
	return st.state == lamina.StatePending || st.update == lamina.UpdateInProgress
}
