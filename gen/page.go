package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const pageHead = `<!-- Written by gen from the list in gen/operations.go; make generate writes it anew. -->
# Operations

What a client may call, by service. Everything else of these services and every other service is refused: with the
service's own error form, the code ` + "`UnknownOperationException`" + ` (` + "`InvalidAction`" + ` for EC2, IAM and STS, ` + "`NotImplemented`" + ` for S3),
and a message that begins with "Lamina does not serve".
`

// writePage lists for readers what is served.
func writePage(models, path string) error {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, s := range served {
		m, err := loadModel(filepath.Join(models, s.name+".service.json"))
		if err != nil {
			return err
		}
		chosen, rest := s.chosen(m), s.unserved(m)
		fmt.Fprintf(&b, "\n## %s\n\nServed (%d of %d): %s.\n", cmp.Or(s.scope, s.name), len(chosen), len(m.Operations), strings.Join(chosen, ", "))
		if m.Metadata.Protocol == "rest-json" {
			fmt.Fprintf(&b, "\nNot served: %s.\n", strings.Join(rest, ", "))
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing the list of operations: %w", err)
	}
	return nil
}
