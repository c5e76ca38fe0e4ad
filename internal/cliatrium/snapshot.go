package cliatrium

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/atriumhub/atrium/internal/cli"
	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
)

func newCRD(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:          "crd",
		Short:        "Turn CustomResourceDefinitions into what APIExports offer",
		Args:         cli.Subcommand,
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSnapshot(env))
	return cmd
}

// snapshotCommand is "kubectl atrium crd snapshot".
type snapshotCommand struct {
	env    environment
	files  []string
	prefix string
	output string
}

func newSnapshot(env environment) *cobra.Command {
	c := &snapshotCommand{env: env}
	cmd := &cobra.Command{
		Use:   "snapshot -f <file> --prefix <prefix>",
		Short: "Print CustomResourceDefinitions as APIResourceSchemas",
		Long: `Print CustomResourceDefinitions as APIResourceSchemas, which APIExports offer.

An APIResourceSchema never changes. So give every snapshot another prefix, such as
the date or a version, and name the new APIResourceSchema in the APIExport. No hub
is asked.`,
		Example: `  kubectl atrium crd snapshot -f crds.yaml --prefix v240513 | kubectl apply -f -
  kubectl get crd widgets.example.org -o yaml | kubectl atrium crd snapshot -f - --prefix today`,
		Args:         cli.Args(0, 0, "no arguments; name files with --filename"),
		SilenceUsage: true,
		RunE:         func(cmd *cobra.Command, _ []string) error { return c.run() },
	}
	flags := cmd.Flags()
	flags.StringSliceVarP(&c.files, "filename", "f", nil, "Files with CustomResourceDefinitions; - is the standard input")
	flags.StringVar(&c.prefix, "prefix", "", "What the names of the APIResourceSchemas begin with, before <plural>.<group>")
	flags.StringVarP(&c.output, "output", "o", "yaml", "Format of what is printed: yaml or json")
	return cmd
}

func (c *snapshotCommand) run() error {
	switch {
	case len(c.files) == 0:
		return errors.New("no CustomResourceDefinitions: name a file with --filename, or - for the standard input")
	case c.prefix == "":
		return errors.New("no prefix: give one with --prefix, such as the date; it has to be another one for every snapshot")
	case c.output != "yaml" && c.output != "json":
		return fmt.Errorf("invalid output format %q: use yaml or json", c.output)
	}
	for _, file := range c.files {
		if err := c.snapshot(file); err != nil {
			return err
		}
	}
	return nil
}

// snapshot prints what a file has, or nothing of it.
func (c *snapshotCommand) snapshot(file string) error {
	in := c.env.streams.In
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		defer opened.Close()
		in = opened
	}
	crds, err := readCRDs(in)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	var out bytes.Buffer
	for _, crd := range crds {
		schema, err := apisv1alpha1.CRDToAPIResourceSchema(crd, c.prefix)
		if err != nil {
			return fmt.Errorf("CustomResourceDefinition %q cannot be offered: %w", crd.Name, err)
		}
		text, err := c.print(schema)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s\n---\n", bytes.TrimSpace(text))
	}
	_, err = out.WriteTo(c.env.streams.Out)
	return err
}

func (c *snapshotCommand) print(schema *apisv1alpha1.APIResourceSchema) ([]byte, error) {
	schema.TypeMeta = metav1.TypeMeta{APIVersion: apisv1alpha1.SchemeGroupVersion.String(), Kind: "APIResourceSchema"}
	if c.output == "json" {
		return json.Marshal(schema)
	}
	return yaml.Marshal(schema)
}

// readCRDs reads the documents of a file. Lists, as kubectl prints them, are
// taken apart.
func readCRDs(in io.Reader) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var crds []*apiextensionsv1.CustomResourceDefinition
	documents := kubeyaml.NewYAMLReader(bufio.NewReader(in))
	for i := 1; ; i++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return crds, nil
		}
		if err != nil {
			return nil, err
		}
		raw, err := kubeyaml.ToJSON(document)
		if err == nil && !bytes.Equal(raw, []byte("null")) {
			var found []*apiextensionsv1.CustomResourceDefinition
			found, err = crdsIn(raw)
			crds = append(crds, found...)
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, err)
		}
	}
}

func crdsIn(raw []byte) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var object struct {
		metav1.TypeMeta `json:",inline"`
		Items           []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	if object.Kind == "List" || object.Kind == "CustomResourceDefinitionList" {
		var all []*apiextensionsv1.CustomResourceDefinition
		for _, item := range object.Items {
			found, err := crdsIn(item)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	if object.APIVersion != apiextensionsv1.SchemeGroupVersion.String() || object.Kind != "CustomResourceDefinition" {
		return nil, fmt.Errorf("%s %q is no CustomResourceDefinition of %s", object.Kind, object.APIVersion, apiextensionsv1.SchemeGroupVersion)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(raw, crd); err != nil {
		return nil, err
	}
	definitions.Default(crd)
	return []*apiextensionsv1.CustomResourceDefinition{crd}, nil
}

// definitions knows the defaults of CustomResourceDefinitions.
var definitions = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	return scheme
}()
