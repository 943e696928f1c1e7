// Package tables lists every table of the view with its key prefix, so that
// nobody else spells a prefix.
package tables

import (
	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Lambda holds functions, versions, layers and capacity providers. The API writes all but
// the two status tables, which the controller alone writes.
type Lambda struct {
	Providers      *view.Table[lamina.CapacityProvider]       // key: CapacityProvider.Key
	ProviderStatus *view.Table[lamina.CapacityProviderStatus] // key: CapacityProvider.Key
	Functions      *view.Table[lamina.Function]               // key: Function.Key
	Versions       *view.Table[lamina.Version]                // key: Version.Key
	VersionStatus  *view.Table[lamina.VersionStatus]          // key: Version.Key
	Scaling        *view.Table[lamina.ScalingConfig]          // key: Version.Key; requested
	Aliases        *view.Table[lamina.Alias]                  // key: Alias.Key
	Layers         *view.Table[lamina.Layer]                  // key: Layer.Key
	LayerVersions  *view.Table[lamina.LayerVersion]           // key: LayerVersion.Key
}

// NewLambda registers the tables with a view that is not open yet.
func NewLambda(v *view.View) Lambda {
	return Lambda{
		Providers:      view.NewTable[lamina.CapacityProvider](v, "lambda/provider/"),
		ProviderStatus: view.NewTable[lamina.CapacityProviderStatus](v, "lambda/provider-status/"),
		Functions:      view.NewTable[lamina.Function](v, "lambda/function/"),
		Versions:       view.NewTable[lamina.Version](v, "lambda/version/"),
		VersionStatus:  view.NewTable[lamina.VersionStatus](v, "lambda/version-status/"),
		Scaling:        view.NewTable[lamina.ScalingConfig](v, "lambda/scaling/"),
		Aliases:        view.NewTable[lamina.Alias](v, "lambda/alias/"),
		Layers:         view.NewTable[lamina.Layer](v, "lambda/layer/"),
		LayerVersions:  view.NewTable[lamina.LayerVersion](v, "lambda/layer-version/"),
	}
}

// Fleet holds instance records and the vCPUs each provider has allocated.
type Fleet struct {
	Instances   *view.Table[lamina.Instance]   // key: Instance.Key
	Allocations *view.Table[lamina.Allocation] // key: CapacityProvider.Key
}

// NewFleet registers the tables with a view that is not open yet.
func NewFleet(v *view.View) Fleet {
	return Fleet{
		Instances:   view.NewTable[lamina.Instance](v, "fleet/instance/"),
		Allocations: view.NewTable[lamina.Allocation](v, "fleet/allocation/"),
	}
}
