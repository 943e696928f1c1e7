package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/runtimes/image"
)

// Images finds container images.
type Images interface {
	// Named says whether the operator said where images of the reference's host are.
	Named(ref name.Reference) bool
	// Find looks an image up; with an empty architecture, none that is for several.
	Find(ctx context.Context, ref name.Reference, architecture string) (*image.Image, error)
}

// registryForm is a private registry of ECR; its region is caught.
var registryForm = regexp.MustCompile(`^\d{12}\.dkr[.-]ecr\.([a-z0-9-]+)\.[a-z0-9.-]+$`)

// maxLayer bounds one layer of an image, in bytes as it is kept. AWS's quota of
// 10 GB is of the unpacked image.
const maxLayer = 10 << 30

// parseImage takes the references that Lambda takes: full ones to ECR in the
// region, and to hosts that the operator named.
func (s *Service) parseImage(ctx context.Context, uri string) (name.Reference, error) {
	if s.Images == nil {
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textNoImages)
	}
	ref, err := image.Parse(uri)
	if err != nil {
		return nil, &lamina.Error{Code: lamina.CodeInvalidParameter, Message: fmt.Sprintf(textImageInvalid, uri), Cause: err}
	}
	ecr := registryForm.FindStringSubmatch(ref.Context().RegistryStr())
	if !s.Images.Named(ref) && (ecr == nil || ecr[1] != lamina.CallerFrom(ctx).Region) {
		return nil, lamina.Errorf(lamina.CodeInvalidParameter, textImageInvalid, uri)
	}
	return ref, nil
}

// storeImage finds the image now, as AWS does: what its tag means later is no
// matter. Its layers become durable, each once.
func (s *Service) storeImage(ctx context.Context, c *lamina.FunctionConfig, uri string) error {
	ref, err := s.parseImage(ctx, uri)
	if err != nil {
		return err
	}
	found, err := s.Images.Find(ctx, ref, "")
	if err == nil {
		err = found.Pull(ctx, s.storeLayer)
	}
	if err != nil {
		return imageFault(ctx, uri, ref, err)
	}
	is := found.Config
	c.CodeSHA256, c.CodeSize, c.CodeUnpacked = found.Digest, 0, 0
	c.Image = &lamina.FunctionImage{
		URI: uri, Resolved: found.Resolved(), Layers: found.IDs, Architecture: is.Architecture,
		EntryPoint: is.Entrypoint, Command: is.Command, Env: is.Env, WorkDir: is.WorkDir,
	}
	return nil
}

// storeLayer makes one layer durable, unless it is.
func (s *Service) storeLayer(ctx context.Context, sha string, layer io.Reader) error {
	if there, err := s.Blobs.Renew(sha); there || err != nil {
		return err
	}
	got, _, err := s.Blobs.Put(ctx, layer, maxLayer)
	if err == nil && got != sha {
		err = errors.Join(image.ErrBroken, s.Blobs.Delete(got))
	}
	return err
}

// imageFault is AWS's answer where it has one.
func imageFault(ctx context.Context, uri string, ref name.Reference, err error) error {
	say := func(code, format string, args ...any) error {
		return &lamina.Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: err}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, image.ErrAbsent):
		return say(lamina.CodeInvalidParameter, textImageMissing, uri)
	case errors.Is(err, image.ErrKind):
		return say(lamina.CodeInvalidParameter, textImageKind, uri)
	case errors.Is(err, image.ErrDenied):
		return say(lamina.CodeAccessDenied, textImageDenied)
	case errors.Is(err, image.ErrBroken):
		return say(lamina.CodeInvalidParameter, textImageBroken, uri, err)
	default:
		return say(lamina.CodeInvalidParameter, textImageUnreached, uri, err, ref.Context().RegistryStr())
	}
}

// applyImage overlays a request's ImageConfig, which replaces the former whole.
func applyImage(c *lamina.FunctionConfig, in *model.ImageConfig) {
	if in == nil {
		return
	}
	own := lamina.ImageConfig{EntryPoint: in.EntryPoint, Command: in.Command}
	set(&own.WorkDir, in.WorkingDirectory)
	c.ImageConfig = &own
	if len(own.EntryPoint)+len(own.Command) == 0 && own.WorkDir == "" {
		c.ImageConfig = nil
	}
}

// checkPackaging judges what belongs to packages or to images alone.
func checkPackaging(c lamina.FunctionConfig) error {
	isImage := c.PackageType == lamina.PackageImage
	switch {
	case isImage && (c.Runtime != "" || c.Handler != "" || len(c.Layers) > 0):
		return lamina.Errorf(lamina.CodeInvalidParameter, textImageHandler)
	case !isImage && c.ImageConfig != nil:
		return lamina.Errorf(lamina.CodeInvalidParameter, textImageConfigZip)
	case !isImage && (c.Runtime == "" || c.Handler == ""):
		return lamina.Errorf(lamina.CodeInvalidParameter, textMandatory)
	}
	return nil
}

// describeImage shows what the function changes of its image.
func describeImage(out *model.FunctionConfiguration, c lamina.FunctionConfig) {
	if own := c.ImageConfig; own != nil {
		out.ImageConfigResponse = &model.ImageConfigResponse{ImageConfig: &model.ImageConfig{
			EntryPoint: own.EntryPoint, Command: own.Command, WorkingDirectory: given(own.WorkDir),
		}}
	}
}

// codeSHA is CodeSha256 as the API shows it: of a package in Base64, of an image
// in hex.
func codeSHA(c lamina.FunctionConfig) string {
	if c.PackageType == lamina.PackageImage {
		return c.CodeSHA256
	}
	return base64SHA(c.CodeSHA256)
}

// imageOf gives the image of whatever qualifier the target has; nil without one.
func (r rows) imageOf(t target, f lamina.Function) *lamina.FunctionImage {
	if alias, ok := r.aliases.Get(lamina.Key(t.Account, t.Region, t.name, t.qualifier)); ok {
		t.qualifier = alias.Value.Version
	}
	if t.qualifier == "" || t.qualifier == lamina.Latest {
		return f.Config.Image
	}
	row, _ := r.versions.Get(t.versionKey(t.qualifier)) // described already, so it is there
	return row.Value.Config.Image
}

// imageLocation says where a function's image came from.
func imageLocation(i *lamina.FunctionImage) *model.FunctionCodeLocation {
	if i == nil {
		return nil
	}
	return &model.FunctionCodeLocation{RepositoryType: new("ECR"), ImageUri: &i.URI, ResolvedImageUri: &i.Resolved}
}
