package crds

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/runtime"
)

var rewrite = flag.Bool("rewrite", false, "write the field tables in testdata anew")

func all(t *testing.T) []*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crds, err := All()
	if err != nil {
		t.Fatalf("All: %v", err)
	}
	return crds
}

func TestAllNamesEveryKind(t *testing.T) {
	var got []string
	for _, crd := range all(t) {
		got = append(got, crd.Name)
	}
	want := []string{
		"apibindings.apis.kcp.io",
		"apiconversions.apis.kcp.io",
		"apiexportendpointslices.apis.kcp.io",
		"apiexports.apis.kcp.io",
		"apipublications.apis.atrium.io",
		"apiresourceschemas.apis.kcp.io",
		"clustercachedresourceendpointslices.cache.kcp.io",
		"clustercachedresources.cache.kcp.io",
		"locations.scheduling.kcp.io",
		"logicalclusters.core.kcp.io",
		"placements.scheduling.kcp.io",
		"schemarollouts.apis.atrium.io",
		"shards.core.kcp.io",
		"synctargets.workload.kcp.io",
		"workspaceauthenticationconfigurations.tenancy.kcp.io",
		"workspaces.tenancy.kcp.io",
		"workspacetypes.tenancy.kcp.io",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CRDs (-want +got):\n%s", diff)
	}
}

// The API server would refuse at run time what fails here: names, schemas that
// are not structural, defaults that do not validate, CEL rules that do not
// compile or may cost too much.
func TestEveryCRDIsValid(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	for _, crd := range all(t) {
		t.Run(crd.Name, func(t *testing.T) {
			scheme.Default(crd)
			// An API server fills this in before it validates.
			for _, version := range crd.Spec.Versions {
				if version.Storage {
					crd.Status.StoredVersions = []string{version.Name}
				}
			}
			internal := &apiextensions.CustomResourceDefinition{}
			if err := scheme.Convert(crd, internal, nil); err != nil {
				t.Fatalf("converting: %v", err)
			}
			if errs := validation.ValidateCustomResourceDefinition(context.Background(), internal); len(errs) > 0 {
				t.Errorf("invalid: %v", errs.ToAggregate())
			}
		})
	}
}

func TestEverySchemaIsStructural(t *testing.T) {
	for _, crd := range all(t) {
		for _, version := range crd.Spec.Versions {
			props := &apiextensions.JSONSchemaProps{}
			if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, props, nil); err != nil {
				t.Fatalf("%s: converting: %v", crd.Name, err)
			}
			s, err := structuralschema.NewStructural(props)
			if err != nil {
				t.Errorf("%s %s is not structural: %v", crd.Name, version.Name, err)
				continue
			}
			if errs := structuralschema.ValidateStructural(nil, s); len(errs) > 0 {
				t.Errorf("%s %s is not structural: %v", crd.Name, version.Name, errs.ToAggregate())
			}
		}
	}
}

// The tables in testdata are the wire that clients depend on: names, types,
// defaults, enums, patterns and rules. A difference is a change of the wire.
func TestFieldTables(t *testing.T) {
	for _, crd := range all(t) {
		t.Run(crd.Name, func(t *testing.T) {
			file := filepath.Join("testdata", crd.Name+".txt")
			got := fieldTable(crd)
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the wire changed; run with -rewrite if that is meant (-want +got):\n%s", diff)
			}
		})
	}
}
