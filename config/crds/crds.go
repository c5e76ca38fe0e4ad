// Package crds holds the CustomResourceDefinitions of every kind the hub adds
// to Kubernetes. The YAML is generated from sdk/apis; the hub serves these
// kinds in every workspace.
package crds

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed *.yaml
var files embed.FS

// All returns the definitions sorted by name. Every call returns new objects.
// An error means that the build is broken: a file does not parse.
func All() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("listing embedded CRDs: %w", err)
	}
	crds := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(entries))
	for _, entry := range entries {
		crd, err := load(entry.Name())
		if err != nil {
			return nil, err
		}
		crds = append(crds, crd)
	}
	slices.SortFunc(crds, func(a, b *apiextensionsv1.CustomResourceDefinition) int {
		return strings.Compare(a.Name, b.Name)
	})
	return crds, nil
}

func load(file string) (*apiextensionsv1.CustomResourceDefinition, error) {
	raw, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading embedded CRD %s: %w", file, err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(raw, crd); err != nil {
		return nil, fmt.Errorf("parsing embedded CRD %s: %w", file, err)
	}
	return crd, nil
}
