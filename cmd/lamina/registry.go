package main

import "github.com/lamina-dev/lamina/internal/runtimes/image"

// registryFlag says where container images come from in every subcommand that fetches some.
type registryFlag struct {
	Registry map[string]string `help:"Where images of a host (* matches) come from: a registry (http:// in front where it has no TLS), or a folder with slash in front that holds REPOSITORY as an OCI layout or REPOSITORY.tar." placeholder:"HOST=PLACE"`
}

func (f registryFlag) registries() (image.Registries, error) {
	r := image.Registries(f.Registry)
	return r, r.Check()
}
