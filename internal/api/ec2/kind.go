package ec2

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// kind is what EC2's operations on one kind of resource have in common.
type kind[T interface{ Key() string }] struct {
	resource string // its name in TagSpecifications and ARNs, e.g. internet-gateway
	prefix   string // of its ids, e.g. igw
	noun     string // its name in texts, e.g. internetGateway
	code     string // e.g. InvalidInternetGatewayID, for .NotFound and .Malformed
	absent   string // code of NotFound where it is not code + ".NotFound"
	text     string // text of NotFound, with %s, where it differs from the usual
	nested   bool   // its keys have more parts than account, region and id
	table    *view.Table[T]
	tags     func(*T) *lamina.Tags
	fields   fields[T]
}

// query is what a Describe operation asks for.
type query struct {
	ids     []string
	filters []model.Filter
	size    *int32
	token   *string
}

// idOf is the id of a resource: the last part of its key.
func idOf[T interface{ Key() string }](v T) string { return path.Base(v.Key()) }

// notFound is EC2's answer to ids that name nothing.
func (k *kind[T]) notFound(ids ...string) error {
	list := strings.Join(ids, ", ")
	code := k.absent
	if code == "" {
		code = k.code + ".NotFound"
	}
	switch {
	case len(ids) == 0 || !strings.HasPrefix(ids[0], k.prefix+"-"):
		return lamina.Errorf(k.code+".Malformed", "Invalid id: %q (expecting %q)", list, k.prefix+"-...")
	case k.text != "":
		return lamina.Errorf(code, k.text, list)
	case len(ids) > 1:
		return lamina.Errorf(code, "The %s IDs '%s' do not exist", k.noun, list)
	}
	return lamina.Errorf(code, "The %s ID '%s' does not exist", k.noun, list)
}

func (k *kind[T]) row(src view.Source, at lamina.Scope, id string) (view.Row[T], bool) {
	rows := k.table.At(src)
	if !k.nested {
		return rows.Get(prefixOf(at) + id)
	}
	for row := range rows.Scan(prefixOf(at)) {
		if path.Base(row.Key) == id {
			return row, true
		}
	}
	return view.Row[T]{}, false
}

// get looks a resource up.
func (k *kind[T]) get(src view.Source, at lamina.Scope, id string) (T, bool) {
	row, ok := k.row(src, at, id)
	return row.Value, ok
}

// need reads a resource that must exist, and still be as it is when the
// transaction commits.
func (k *kind[T]) need(t *txn, id string) (T, error) {
	row, ok := k.row(t, t.Scope, id)
	if !ok {
		return row.Value, k.notFound(id)
	}
	t.Guard(k.table.AtRevision(row))
	return row.Value, nil
}

// scan lists all resources of the transaction's scope and guards that none
// comes, goes or changes until it commits.
func (k *kind[T]) scan(t *txn) []T {
	t.Guard(k.table.PrefixUnchanged(prefixOf(t.Scope), t.Revision()))
	return k.list(t, t.Scope)
}

// list reads all resources of a scope, sorted by key.
func (k *kind[T]) list(src view.Source, at lamina.Scope) []T {
	var out []T
	for row := range k.table.At(src).Scan(prefixOf(at)) {
		out = append(out, row.Value)
	}
	return out
}

// create writes a new resource.
func (k *kind[T]) create(t *txn, v T) {
	t.Guard(k.table.Absent(v.Key()))
	k.put(t, v)
}

// put writes a resource that the transaction has read with need.
func (k *kind[T]) put(t *txn, v T) { _ = t.Do(k.table.Put(v.Key(), v)) }

// remove deletes a resource.
func (k *kind[T]) remove(t *txn, v T) { _ = t.Do(k.table.Delete(v.Key())) }

// describe answers a Describe operation from the newest state.
func (k *kind[T]) describe(ctx context.Context, s *Service, q query) (found []T, next *string, err error) {
	err = s.seekTwice(ctx, func() error {
		found, err = k.search(s.view.Snapshot(), scopeOf(ctx), q)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return page(found, idOf[T], q.size, q.token)
}

// search lists the resources that a query means, sorted by id.
func (k *kind[T]) search(src view.Source, at lamina.Scope, q query) ([]T, error) {
	if err := k.fields.check(q.filters); err != nil {
		return nil, err
	}
	candidates, err := k.candidates(src, at, q.ids)
	if err != nil {
		return nil, err
	}
	found := make([]T, 0, len(candidates))
	for _, v := range candidates {
		ok, err := k.fields.matches(q.filters, v, *k.tags(&v))
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b T) int { return strings.Compare(idOf(a), idOf(b)) })
	return found, nil
}

// candidates are the named resources, or all of them.
func (k *kind[T]) candidates(src view.Source, at lamina.Scope, ids []string) ([]T, error) {
	if len(ids) == 0 {
		return k.list(src, at), nil
	}
	var found []T
	var missing []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if v, ok := k.get(src, at, id); ok {
			found = append(found, v)
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, k.notFound(missing...)
	}
	return found, nil
}

// idPrefix lets the tag operations tell kinds apart.
func (k *kind[T]) idPrefix() string { return k.prefix }

// retag changes the tags of one resource.
func (k *kind[T]) retag(t *txn, id string, change func(lamina.Tags) error) error {
	v, err := k.need(t, id)
	if err != nil {
		return err
	}
	tags := k.tags(&v)
	*tags = maps.Clone(*tags)
	if *tags == nil {
		*tags = lamina.Tags{}
	}
	if err := change(*tags); err != nil {
		return err
	}
	k.put(t, v)
	return nil
}

// tagged lists the tags of every resource of a scope.
func (k *kind[T]) tagged(src view.Source, at lamina.Scope) []taggedResource {
	var out []taggedResource
	for _, v := range k.list(src, at) {
		if tags := *k.tags(&v); len(tags) > 0 {
			out = append(out, taggedResource{kind: k.resource, id: idOf(v), tags: tags})
		}
	}
	return out
}
