// Command gen writes the packages under internal/awsmodel from AWS's API models.
//
// The models themselves are not part of the repository; their folder is a flag.
// What is served, and so what is generated, stands in operations.go.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	models := flag.String("models", "../shared/models", "folder with the <service>.service.json models")
	out := flag.String("out", "internal/awsmodel", "folder that receives one package per service")
	page := flag.String("page", "docs/operations.md", "file that receives the list of operations")
	flag.Parse()
	for _, s := range served {
		if err := generate(*models, *out, s); err != nil {
			fmt.Fprintf(os.Stderr, "gen: %s: %v\n", s.name, err)
			os.Exit(1)
		}
	}
	if err := writePage(*models, *page); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate writes the package of one service.
func generate(models, out string, s service) error {
	m, err := loadModel(filepath.Join(models, s.name+".service.json"))
	if err != nil {
		return err
	}
	p, err := newPackage(s, m)
	if err != nil {
		return err
	}
	dir := filepath.Join(out, s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the package folder: %w", err)
	}
	for name, emit := range map[string]func() string{
		"structs.gen.go":    p.structs,
		"enums.gen.go":      p.enums,
		"operations.gen.go": p.operations,
		"table.gen.go":      p.table,
		"bind_gen_test.go":  p.bindTest,
	} {
		if err := p.write(filepath.Join(dir, name), emit()); err != nil {
			return err
		}
	}
	return nil
}
