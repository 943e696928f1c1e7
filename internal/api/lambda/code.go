package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/runtimes/codepkg"
	"github.com/lamina-dev/lamina/internal/store/blobs"
)

// source is where a request says the code is.
type source struct {
	zip           []byte
	bucket, image *string
}

func sourceOf(in *model.FunctionCode) source {
	return source{in.ZipFile, in.S3Bucket, in.ImageUri}
}

// checkFor refuses sources that a function's package type has not; doing is what
// is done with the function.
func (c source) checkFor(packageType, doing string) error {
	switch {
	case packageType == lamina.PackageImage && c.image == nil:
		return lamina.Errorf(lamina.CodeInvalidParameter, textImageWanted, doing)
	case packageType != lamina.PackageImage && c.image != nil:
		return lamina.Errorf(lamina.CodeInvalidParameter, textImageUnwanted, doing)
	case packageType == lamina.PackageImage:
		return nil
	}
	return c.check()
}

// check refuses every package but a zip in the request.
func (c source) check() error {
	switch {
	case c.bucket != nil:
		return lamina.Errorf(lamina.CodeInvalidParameter, textFromS3)
	case len(c.zip) == 0:
		return lamina.Errorf(lamina.CodeInvalidParameter, textNoCode)
	case len(c.zip) >= maxZipped:
		return lamina.Errorf(codeEntityTooLarge, textZippedSize, maxZipped)
	}
	return nil
}

// storeCode makes the package or image durable and sets the configuration to it.
func (s *Service) storeCode(ctx context.Context, c *lamina.FunctionConfig, from source) error {
	if from.image != nil {
		return s.storeImage(ctx, c, *from.image)
	}
	stored, err := s.storePackage(ctx, from.zip)
	if err == nil {
		c.CodeSHA256, c.CodeSize, c.CodeUnpacked = stored.SHA256, stored.Size, stored.Unpacked
	}
	return err
}

// storePackage makes the zip of a function or layer durable. One that is no zip
// leaves nothing behind; one whose function is refused afterwards stays
// unreferenced, for whoever collects garbage.
func (s *Service) storePackage(ctx context.Context, zip []byte) (c lamina.LayerContent, err error) {
	sum := sha256.Sum256(zip)
	known := s.known(hex.EncodeToString(sum[:]))
	sha, size, err := s.Blobs.Put(ctx, bytes.NewReader(zip), maxZipped)
	if errors.Is(err, blobs.ErrTooLarge) {
		return c, lamina.Errorf(codeEntityTooLarge, textZippedSize, maxZipped)
	}
	if err != nil {
		return c, fmt.Errorf("storing a code package: %w", err)
	}
	path, err := s.Blobs.Path(sha)
	if err != nil {
		return c, fmt.Errorf("storing a code package: %w", err)
	}
	unpacked, err := codepkg.Check(path)
	if err != nil {
		if !known {
			err = errors.Join(err, s.Blobs.Delete(sha))
		}
		return c, err
	}
	return lamina.LayerContent{SHA256: sha, Size: size, Unpacked: unpacked}, nil
}

// known says whether the package was stored before this request.
func (s *Service) known(sha string) bool {
	f, _, err := s.Blobs.Open(sha)
	if err != nil {
		return false
	}
	_ = f.Close() // only looked at
	return true
}
