package lambda

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// layerOf reads a layer's name or ARN and a version's number.
func layerOf(ctx context.Context, name string, version *int64) (layerRef, error) {
	ref := layerRef{Scope: lamina.CallerFrom(ctx).Scope, name: name}
	if strings.Contains(name, ":") {
		own := ref.Scope
		ref, _ = parseLayerARN(name) // the model's pattern has seen it
		if ref.Region != own.Region {
			return ref, lamina.Errorf(lamina.CodeResourceNotFound, textResourceMissing)
		}
	}
	if version == nil {
		return ref, nil
	}
	if ref.version = *version; ref.version < 1 {
		return ref, lamina.Errorf(lamina.CodeInvalidParameter, textLayerVersionLow)
	}
	return ref, nil
}

func (l layerRef) arn() string {
	return lamina.LayerVersion{Scope: l.Scope, Name: l.name, Version: l.version}.ARN()
}

func (l layerRef) key() string { return lamina.LayerVersionKey(l.Scope, l.name, l.version) }

// publishLayer serves PublishLayerVersion: numbers grow and are never used again.
func (s *Service) publishLayer(ctx context.Context, in *model.PublishLayerVersionRequest) (*model.PublishLayerVersionResponse, error) {
	ref, err := layerOf(ctx, *in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	if own := lamina.CallerFrom(ctx); ref.Account != own.Account {
		return nil, layerDenied(own.ARN, "PublishLayerVersion", lamina.LayerARN(ref.Scope, ref.name))
	}
	if err := checkLayer(in); err != nil {
		return nil, err
	}
	content, err := s.storePackage(ctx, in.Content.ZipFile)
	if err != nil {
		return nil, err
	}
	v := lamina.LayerVersion{
		Scope: ref.Scope, Name: ref.name, Runtimes: in.CompatibleRuntimes, Architectures: in.CompatibleArchitectures,
		Created: s.Now(), Content: content,
	}
	set(&v.Description, in.Description)
	set(&v.License, in.LicenseInfo)
	if _, err := s.View.Update(ctx, func(tx *view.Tx) error { return s.addLayer(tx, &v) }); err != nil {
		return nil, err
	}
	return new(model.PublishLayerVersionResponse(*s.layerAnswer(v))), nil
}

// checkLayer judges what the model leaves open.
func checkLayer(in *model.PublishLayerVersionRequest) error {
	for _, r := range in.CompatibleRuntimes {
		if !slices.Contains(ordinaryRuntimes, r) {
			return lamina.Errorf(lamina.CodeValidation, textLayerRuntimes, strings.Join(in.CompatibleRuntimes, ", "), strings.Join(ordinaryRuntimes, ", "))
		}
	}
	err := source{zip: in.Content.ZipFile, bucket: in.Content.S3Bucket}.check()
	if e, ok := err.(*lamina.Error); ok && e.Message == textNoCode {
		return lamina.Errorf(lamina.CodeInvalidParameter, textLayerSource)
	}
	return err
}

func (s *Service) addLayer(tx *view.Tx, v *lamina.LayerVersion) error {
	layer := lamina.Layer{Scope: v.Scope, Name: v.Name}
	row, ok := s.at(tx).layers.Get(layer.Key())
	if ok {
		layer = row.Value
		tx.Guard(s.Tables.Layers.AtRevision(row))
	} else {
		tx.Guard(s.Tables.Layers.Absent(layer.Key()))
	}
	layer.LastVersion++
	v.Version = layer.LastVersion
	return tx.Do(s.Tables.Layers.Put(layer.Key(), layer), s.Tables.LayerVersions.Put(v.Key(), *v))
}

func (s *Service) layerAnswer(v lamina.LayerVersion) *model.GetLayerVersionResponse {
	out := &model.GetLayerVersionResponse{
		Content:  &model.LayerVersionContentOutput{CodeSha256: new(base64SHA(v.Content.SHA256)), CodeSize: new(v.Content.Size)},
		LayerArn: new(lamina.LayerARN(v.Scope, v.Name)), LayerVersionArn: new(v.ARN()), Version: new(v.Version),
		Description: new(v.Description), CreatedDate: timestamp(v.Created), LicenseInfo: given(v.License),
		CompatibleArchitectures: v.Architectures, CompatibleRuntimes: v.Runtimes,
	}
	if s.CodeURL != nil {
		out.Content.Location = new(s.CodeURL(v.Content.SHA256))
	}
	return out
}

func layerDenied(caller, operation, resource string) error {
	return lamina.Errorf(lamina.CodeAccessDenied, "User: %s is not authorized to perform: lambda:%s on resource: %s", caller, operation, resource)
}

func (s *Service) getLayerVersion(ctx context.Context, in *model.GetLayerVersionRequest) (*model.GetLayerVersionResponse, error) {
	ref, err := layerOf(ctx, *in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return s.readLayer(ctx, ref)
}

func (s *Service) getLayerVersionByARN(ctx context.Context, in *model.GetLayerVersionByArnRequest) (*model.GetLayerVersionResponse, error) {
	ref, ok := parseLayerVersion(*in.Arn)
	if !ok || ref.Region != lamina.CallerFrom(ctx).Region {
		return nil, lamina.Errorf(lamina.CodeResourceNotFound, textResourceMissing)
	}
	return s.readLayer(ctx, ref)
}

// readLayer answers the owner, and whom the version's policy lets in.
func (s *Service) readLayer(ctx context.Context, ref layerRef) (*model.GetLayerVersionResponse, error) {
	return caughtUp(ctx, s, func() (*model.GetLayerVersionResponse, error) {
		row, ok := s.Tables.LayerVersions.Get(ref.key())
		caller := lamina.CallerFrom(ctx)
		if ref.Account != caller.Account && !(ok && layerOpen(row.Value, caller.Account)) {
			return nil, lamina.Errorf(lamina.CodeAccessDenied, textLayerDenied, caller.ARN, ref.arn())
		}
		if !ok {
			return nil, lamina.Errorf(lamina.CodeResourceNotFound, textResourceMissing)
		}
		return s.layerAnswer(row.Value), nil
	})
}

// layerFilter is what lists of layers may be narrowed to.
type layerFilter struct{ runtime, architecture *string }

func (f layerFilter) matches(v lamina.LayerVersion) bool {
	has := func(want *string, list []string) bool { return want == nil || slices.Contains(list, *want) }
	return has(f.runtime, v.Runtimes) && has(f.architecture, v.Architectures)
}

func (f layerFilter) check() error {
	if f.runtime != nil {
		return checkRuntime(*f.runtime)
	}
	return nil
}

// layersOf lists the versions of one layer that match, newest first.
func (r rows) layersOf(scope lamina.Scope, name string, f layerFilter) []lamina.LayerVersion {
	var all []lamina.LayerVersion
	for row := range r.layerVersions.Scan(lamina.Key(scope.Account, scope.Region, name, "")) {
		if f.matches(row.Value) {
			all = append(all, row.Value)
		}
	}
	slices.SortFunc(all, func(a, b lamina.LayerVersion) int { return int(b.Version - a.Version) })
	return all
}

func layerItem(v lamina.LayerVersion) model.LayerVersionsListItem {
	return model.LayerVersionsListItem{
		LayerVersionArn: new(v.ARN()), Version: new(v.Version), Description: new(v.Description), CreatedDate: timestamp(v.Created),
		CompatibleArchitectures: v.Architectures, CompatibleRuntimes: v.Runtimes, LicenseInfo: given(v.License),
	}
}

func (s *Service) listLayers(ctx context.Context, in *model.ListLayersRequest) (*model.ListLayersResponse, error) {
	f := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	if err := f.check(); err != nil {
		return nil, err
	}
	scope, r := lamina.CallerFrom(ctx).Scope, s.at(s.View)
	items := []model.LayersListItem{}
	for row := range r.layers.Scan(scopePrefix(scope)) {
		if versions := r.layersOf(scope, row.Value.Name, f); len(versions) > 0 {
			items = append(items, model.LayersListItem{
				LayerName: new(row.Value.Name), LayerArn: new(lamina.LayerARN(scope, row.Value.Name)), LatestMatchingVersion: new(layerItem(versions[0])),
			})
		}
	}
	items, next, err := page(items, func(i model.LayersListItem) string { return *i.LayerName }, in.Marker, in.MaxItems)
	return &model.ListLayersResponse{Layers: items, NextMarker: next}, err
}

func (s *Service) listLayerVersions(ctx context.Context, in *model.ListLayerVersionsRequest) (*model.ListLayerVersionsResponse, error) {
	f := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	if err := f.check(); err != nil {
		return nil, err
	}
	ref, err := layerOf(ctx, *in.LayerName, nil)
	if err != nil {
		return nil, err
	}
	if own := lamina.CallerFrom(ctx); ref.Account != own.Account {
		return nil, layerDenied(own.ARN, "ListLayerVersions", lamina.LayerARN(ref.Scope, ref.name))
	}
	items := []model.LayerVersionsListItem{}
	for _, v := range s.at(s.View).layersOf(ref.Scope, ref.name, f) {
		items = append(items, layerItem(v))
	}
	// Newest first, so the marker's order is that of what is left to the top.
	key := func(i model.LayerVersionsListItem) string { return fmt.Sprintf("%019d", math.MaxInt64-*i.Version) }
	items, next, err := page(items, key, in.Marker, in.MaxItems)
	return &model.ListLayerVersionsResponse{LayerVersions: items, NextMarker: next}, err
}

// deleteLayerVersion succeeds for a version that is not there, as on AWS.
func (s *Service) deleteLayerVersion(ctx context.Context, in *model.DeleteLayerVersionRequest) (*awsproto.Empty, error) {
	ref, err := ownLayer(ctx, "DeleteLayerVersion", *in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	_, err = s.View.Update(ctx, func(tx *view.Tx) error {
		if !s.at(tx).layerVersions.Has(ref.key()) {
			return nil
		}
		return tx.Do(s.Tables.LayerVersions.Delete(ref.key()))
	})
	return nil, err
}
