package policies

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/utils/lru"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// keptSchemas is how many API versions are kept in the form that apply
// configurations need. One takes up to some megabytes.
const keptSchemas = 16

// SchemaSource finds the schemas of an API version as a workspace serves it, and
// a hash that is the same for the same schemas, wherever they are served.
type SchemaSource func(logicalcluster.Name, schema.GroupVersion) (hash string, load func() (map[string]*spec.Schema, error), ok bool)

// schemas tell how objects are merged, for policies that apply configurations.
type schemas struct {
	source SchemaSource

	mu   sync.Mutex // makes look-up and insertion one step
	kept *lru.Cache // hash → func() (managedfields.TypeConverter, error)
}

func newSchemas(source SchemaSource) *schemas {
	return &schemas{source: source, kept: lru.New(keptSchemas)}
}

func (s *schemas) in(workspace logicalcluster.Name) patch.TypeConverterManager {
	return converters{s, workspace}
}

// converters are those of one workspace.
type converters struct {
	schemas   *schemas
	workspace logicalcluster.Name
}

// Run has nothing to do.
func (converters) Run(context.Context) {}

// GetTypeConverter returns one that is made when it is used: patches that need no
// schema get one all the same.
func (c converters) GetTypeConverter(gvk schema.GroupVersionKind) managedfields.TypeConverter {
	return converter{c, gvk}
}

type converter struct {
	converters
	gvk schema.GroupVersionKind
}

func (c converter) made() (managedfields.TypeConverter, error) {
	hash, load, ok := c.schemas.source(c.workspace, c.gvk.GroupVersion())
	if !ok {
		return nil, fmt.Errorf("no schema is known for %s", c.gvk)
	}
	c.schemas.mu.Lock()
	found, ok := c.schemas.kept.Get(hash)
	if !ok {
		found = sync.OnceValues(func() (managedfields.TypeConverter, error) {
			models, err := load()
			if err != nil {
				return nil, err
			}
			return managedfields.NewTypeConverter(models, false)
		})
		c.schemas.kept.Add(hash, found)
	}
	c.schemas.mu.Unlock()
	made, err := found.(func() (managedfields.TypeConverter, error))()
	if err != nil {
		c.schemas.kept.Remove(hash)
		return nil, fmt.Errorf("failed to read the schema of %s: %w", c.gvk, err)
	}
	return made, nil
}

// ObjectToTyped implements managedfields.TypeConverter.
func (c converter) ObjectToTyped(object runtime.Object, options ...typed.ValidationOptions) (*typed.TypedValue, error) {
	made, err := c.made()
	if err != nil {
		return nil, err
	}
	return made.ObjectToTyped(object, options...)
}

// TypedToObject implements managedfields.TypeConverter.
func (c converter) TypedToObject(value *typed.TypedValue) (runtime.Object, error) {
	made, err := c.made()
	if err != nil {
		return nil, err
	}
	return made.TypedToObject(value)
}
