// Package codepkg checks and unpacks a function's code package, a zip file
// that nobody trusts.
package codepkg

// Limits of a package.
const (
	MaxUnzipped = 262_144_000 // bytes really written (lambda-api.md)
	MaxEntries  = 200_000     // chosen: bounds the inodes that a tiny zip can claim
)

// Check tells whether the file at path is a zip that Extract would take,
// without unpacking it. Its errors are *lamina.Error with AWS's texts.
func Check(path string) error { panic("todo") }

// Extract unpacks the zip at path into dir, which must exist and be empty.
func Extract(path, dir string) error { panic("todo") }
