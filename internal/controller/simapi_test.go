package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing/synctest"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// The API's part of the sequences: rows are written as internal/api/lambda does,
// which this package may not import.

// errNo is the API's refusal.
var errNo = errors.New("refused")

// api is one call, without the store's slowness, which callers of the API bear.
func (w *region) api(what string, fn func(tx *view.Tx) error) {
	lag := w.store.lag.Swap(0)
	defer w.store.lag.Store(lag)
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	_, err := w.view.Update(ctx, fn)
	if err != nil && !errors.Is(err, errNo) {
		w.Errorf("%s: %v", what, err)
	}
	w.say("%s: %v", what, err)
}

func (w *region) furnish() {
	w.api("furnish", func(tx *view.Tx) error {
		for i, zone := range zones {
			// Seldom, addresses are scarce.
			bits := 28 + w.rng.IntN(6)/5
			s := lamina.Subnet{Scope: scope, ID: fmt.Sprintf("subnet-%d", i), VPCID: "vpc-1", Zone: zone, CIDR: fmt.Sprintf("10.0.%d.0/%d", i, bits)}
			_ = tx.Do(w.ec2.Subnets.Put(s.Key(), s))
		}
		return nil
	})
	for _, name := range providerNames {
		w.createProvider(name)
	}
}

func (w *region) createProvider(name string) {
	p := lamina.CapacityProvider{
		Scope: scope, Name: name, SubnetIDs: []string{"subnet-0", "subnet-1", "subnet-2"}, OperatorRoleARN: "role",
		Scaling: &lamina.ProviderScaling{MaxVCPU: w.someCap()},
	}
	w.api(fmt.Sprintf("create provider %s with %d vCPUs", name, p.MaxVCPU()), func(tx *view.Tx) error {
		if w.lambda.Providers.At(tx).Has(p.Key()) {
			return errNo
		}
		tx.Guard(w.lambda.Providers.Absent(p.Key()))
		return tx.Do(w.lambda.Providers.Put(p.Key(), p))
	})
}

// someCap is tight often.
func (w *region) someCap() int32 {
	caps := []int32{4, 6, 8, 12, 20, 100}
	return caps[w.rng.IntN(len(caps))]
}

func (w *region) recap() {
	name, _ := some(w, providerNames)
	w.createProvider(name)
	vcpus := w.someCap()
	w.api(fmt.Sprintf("%s may have %d vCPUs", name, vcpus), func(tx *view.Tx) error {
		row, ok := w.lambda.Providers.At(tx).Get(lamina.Key(scope.Account, scope.Region, name))
		if !ok || row.Value.Deleting {
			return errNo
		}
		p := row.Value
		p.Scaling = &lamina.ProviderScaling{MaxVCPU: vcpus}
		tx.Guard(w.lambda.Providers.AtRevision(row))
		return tx.Do(w.lambda.Providers.Put(row.Key, p))
	})
}

func (w *region) someConfig() lamina.FunctionConfig {
	name, _ := some(w, providerNames)
	handler := "good"
	if w.rng.IntN(6) == 0 {
		handler = "broken"
	}
	return lamina.FunctionConfig{
		Handler: handler, MemoryMB: []int32{2048, 2048, 4096}[w.rng.IntN(3)], TimeoutSec: 3, Architecture: "x86_64",
		Capacity: &lamina.FunctionCapacity{ProviderARN: lamina.CapacityProviderARN(scope, name), MaxConcurrency: 4, GiBPerVCPU: 2},
	}
}

// publish creates a function when there is none, and publishes it.
func (w *region) publish() {
	name, _ := some(w, functionNames)
	config, number := w.someConfig(), w.rng.IntN(3) == 0
	if w.rng.IntN(8) == 0 {
		name = ordinaryName
		config.Capacity = nil
	}
	w.api(fmt.Sprintf("publish %s (%s) on %s", name, config.Handler, providerName(config)), func(tx *view.Tx) error {
		f := lamina.Function{Scope: scope, Name: name}
		row, ok := w.lambda.Functions.At(tx).Get(f.Key())
		switch {
		case ok && row.Value.Deleting:
			return errNo
		case ok:
			f = row.Value
			tx.Guard(w.lambda.Functions.AtRevision(row))
		default:
			tx.Guard(w.lambda.Functions.Absent(f.Key()))
		}
		f.Config = config
		if config.Capacity != nil {
			p, ok := w.lambda.Providers.At(tx).Get(lamina.Key(scope.Account, scope.Region, providerName(config)))
			if !ok || p.Value.Deleting {
				return errNo
			}
			tx.Guard(w.lambda.Providers.AtRevision(p))
		}
		v := lamina.Version{Scope: scope, Function: name, Qualifier: lamina.LatestPublished, Config: config, Incarnation: newEnvironmentID(), Generation: 1, LastModified: time.Now()}
		switch {
		case config.Capacity == nil:
			v.Qualifier = lamina.Latest
		case number:
			f.LastVersion++
			v.Qualifier = strconv.FormatInt(f.LastVersion, 10)
		}
		if err := w.succeed(tx, &v); err != nil {
			return err
		}
		w.check.publishes(v)
		return tx.Do(w.lambda.Functions.Put(f.Key(), f), w.lambda.Versions.Put(v.Key(), v))
	})
}

// succeed makes v the next generation of the version of its name, if there is one.
func (w *region) succeed(tx *view.Tx, v *lamina.Version) error {
	row, ok := w.lambda.Versions.At(tx).Get(v.Key())
	if !ok {
		tx.Guard(w.lambda.Versions.Absent(v.Key()))
		return nil
	}
	status, _ := w.lambda.VersionStatus.At(tx).Get(v.Key())
	st, former := status.Value, row.Value
	managed := v.Config.Capacity != nil
	if former.Deleting || (managed && (st.Generation < former.Generation || st.State == lamina.StatePending || st.UpdateStatus == lamina.UpdateInProgress)) {
		return errNo
	}
	tx.Guard(w.lambda.Versions.AtRevision(row))
	if managed {
		tx.Guard(w.lambda.VersionStatus.AtRevision(status))
	}
	v.Incarnation, v.Generation = former.Incarnation, former.Generation+1
	switch {
	case st.Serving == 0:
	case st.Serving == former.Generation:
		v.Previous, v.PreviousGen = &former.Config, former.Generation
	case st.Serving == former.PreviousGen:
		v.Previous, v.PreviousGen = former.Previous, former.PreviousGen
	}
	return nil
}

func (w *region) rescale() {
	row, ok := some(w, w.lambda.Versions.List(""))
	if !ok || row.Value.Config.Capacity == nil {
		return
	}
	least := []int32{0, 1, 2, 3, 4}[w.rng.IntN(5)]
	most := least * 2
	w.api(fmt.Sprintf("%s shall have %d environments", row.Key, least), func(tx *view.Tx) error {
		v, ok := w.lambda.Versions.At(tx).Get(row.Key)
		f, exists := w.lambda.Functions.At(tx).Get(functionKey(row.Value))
		if !ok || v.Value.Deleting || !exists || f.Value.Deleting {
			return errNo
		}
		tx.Guard(w.lambda.Versions.AtRevision(v), w.lambda.Functions.AtRevision(f))
		return tx.Do(w.lambda.Scaling.Put(row.Key, lamina.ScalingConfig{Min: &least, Max: &most}))
	})
}

func (w *region) deleteFunction() {
	if row, ok := some(w, w.lambda.Functions.List("")); ok {
		w.deleteFunctionOf(row.Key)
	}
}

func (w *region) deleteFunctionOf(key string) {
	w.api("delete function "+key, func(tx *view.Tx) error {
		row, ok := w.lambda.Functions.At(tx).Get(key)
		if !ok {
			return errNo
		}
		f := row.Value
		f.Deleting = true
		tx.Guard(w.lambda.Functions.AtRevision(row))
		return tx.Do(w.lambda.Functions.Put(key, f))
	})
}

func (w *region) deleteVersion() {
	row, ok := some(w, w.lambda.Versions.List(""))
	if !ok || row.Value.Config.Capacity == nil {
		return
	}
	w.api("delete version "+row.Key, func(tx *view.Tx) error {
		row, ok := w.lambda.Versions.At(tx).Get(row.Key)
		if !ok {
			return errNo
		}
		v := row.Value
		v.Deleting = true
		tx.Guard(w.lambda.Versions.AtRevision(row))
		return tx.Do(w.lambda.Versions.Put(row.Key, v))
	})
}

func (w *region) deleteProvider() {
	name, _ := some(w, providerNames)
	w.deleteProviderOf(name)
}

func (w *region) deleteProviderOf(name string) {
	w.api("delete provider "+name, func(tx *view.Tx) error {
		row, ok := w.lambda.Providers.At(tx).Get(lamina.Key(scope.Account, scope.Region, name))
		if !ok || row.Value.Deleting {
			return errNo
		}
		used := func(c lamina.FunctionConfig) bool { return providerName(c) == name }
		if slices.ContainsFunc(w.lambda.Functions.At(tx).List(""), func(r view.Row[lamina.Function]) bool { return used(r.Value.Config) }) ||
			slices.ContainsFunc(w.lambda.Versions.At(tx).List(""), func(r view.Row[lamina.Version]) bool { return used(r.Value.Config) }) {
			return errNo
		}
		tx.Guard(w.lambda.Providers.AtRevision(row), w.lambda.Functions.PrefixUnchanged("", tx.Revision()), w.lambda.Versions.PrefixUnchanged("", tx.Revision()))
		p := row.Value
		p.Deleting = true
		return tx.Do(w.lambda.Providers.Put(row.Key, p))
	})
}

func (w *region) deleteAll() {
	for _, row := range w.lambda.Functions.List("") {
		w.deleteFunctionOf(row.Key)
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	for _, name := range providerNames {
		w.deleteProviderOf(name)
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}
