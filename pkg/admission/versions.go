package admission

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
)

// Version is one that a resource of the hub is also served in.
type Version struct {
	// Stored is the version that objects are kept in.
	Stored string
	// Convert returns an object in another version, with the defaults of that.
	// Its errors that are a *field.Error are the sender's fault.
	Convert func(object *unstructured.Unstructured, apiVersion string) (*unstructured.Unstructured, error)
	// Keep returns the annotations of an object that replaces another: what this
	// version has no place for stays as it was.
	Keep func(annotations, old map[string]string) map[string]string
	// Validate judges an object in the stored version; old is nil for new ones.
	Validate func(ctx context.Context, object, old *unstructured.Unstructured) field.ErrorList
}

// Versions has other plugins judge objects in the version they are kept in,
// whatever the version they were sent in: nobody gets past a rule by another
// spelling of the same.
type Versions struct {
	inner    admission.Interface
	versions map[schema.GroupVersionResource]Version
}

var (
	_ admission.MutationInterface   = &Versions{}
	_ admission.ValidationInterface = &Versions{}
)

// InStoredVersion returns inner for objects of which versions are other ones.
func InStoredVersion(inner admission.Interface, versions map[schema.GroupVersionResource]Version) *Versions {
	return &Versions{inner, versions}
}

// Handles implements admission.Interface.
func (p *Versions) Handles(operation admission.Operation) bool { return p.inner.Handles(operation) }

// Admit has inner complete the stored form of an object.
func (p *Versions) Admit(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	inner, ok := p.inner.(admission.MutationInterface)
	if !ok {
		return nil
	}
	version, other := p.versions[a.GetResource()]
	if !other {
		return inner.Admit(ctx, a, o)
	}
	sent, _ := a.GetObject().(*unstructured.Unstructured)
	if sent != nil {
		version.complete(sent, a)
	}
	stored, err := version.stored(a)
	if err != nil {
		return err
	}
	if err := inner.Admit(ctx, stored, o); err != nil || sent == nil {
		return err
	}
	back, err := version.Convert(stored.object, sent.GetAPIVersion())
	if err != nil {
		return fmt.Errorf("converting what admission made of the %s: %w", sent.GetKind(), err)
	}
	sent.Object = back.Object
	return nil
}

// Validate judges the stored form of an object, and has inner judge it.
func (p *Versions) Validate(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	inner, _ := p.inner.(admission.ValidationInterface)
	version, other := p.versions[a.GetResource()]
	if other {
		stored, err := version.stored(a)
		if err != nil {
			return err
		}
		if stored.object != nil {
			if errs := version.Validate(ctx, stored.object, stored.old); len(errs) > 0 {
				return apierrors.NewInvalid(stored.GetKind().GroupKind(), a.GetName(), errs)
			}
		}
		a = stored
	}
	if inner == nil {
		return nil
	}
	return inner.Validate(ctx, a, o)
}

// complete gives an object that was sent what the sender could not know, or
// cannot say.
func (v Version) complete(sent *unstructured.Unstructured, a admission.Attributes) {
	old, _ := a.GetOldObject().(*unstructured.Unstructured)
	var before map[string]string
	if old != nil {
		before = old.GetAnnotations()
	}
	sent.SetAnnotations(v.Keep(sent.GetAnnotations(), before))
	if a.GetSubresource() != "" {
		return
	}
	// As the server does a little later: it matters now, because the annotations
	// tell about the status too.
	delete(sent.Object, "status")
	if old != nil && old.Object["status"] != nil {
		sent.Object["status"] = runtime.DeepCopyJSONValue(old.Object["status"])
	}
}

// stored returns a in the version that its objects are kept in.
func (v Version) stored(a admission.Attributes) (*storedAttributes, error) {
	to := schema.GroupVersion{Group: a.GetResource().Group, Version: v.Stored}.String()
	object, err := v.converted(a.GetObject(), to, a.GetName())
	if err != nil {
		return nil, err
	}
	old, err := v.converted(a.GetOldObject(), to, a.GetName())
	if err != nil {
		return nil, err
	}
	return &storedAttributes{a, v.Stored, object, old}, nil
}

// converted returns nil for what is no custom resource: what is deleted, and the
// options of a connection.
func (v Version) converted(object runtime.Object, to, name string) (*unstructured.Unstructured, error) {
	sent, _ := object.(*unstructured.Unstructured)
	if sent == nil {
		return nil, nil
	}
	stored, err := v.Convert(sent, to)
	var fault *field.Error
	switch {
	case errors.As(err, &fault):
		return nil, apierrors.NewInvalid(sent.GroupVersionKind().GroupKind(), name, field.ErrorList{fault})
	case err != nil:
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return stored, nil
}

// storedAttributes are those of a request in another version.
type storedAttributes struct {
	admission.Attributes
	version     string
	object, old *unstructured.Unstructured
}

// GetObject implements admission.Attributes.
func (a *storedAttributes) GetObject() runtime.Object {
	if a.object == nil {
		return a.Attributes.GetObject()
	}
	return a.object
}

// GetOldObject implements admission.Attributes.
func (a *storedAttributes) GetOldObject() runtime.Object {
	if a.old == nil {
		return a.Attributes.GetOldObject()
	}
	return a.old
}

// GetKind implements admission.Attributes.
func (a *storedAttributes) GetKind() schema.GroupVersionKind {
	return a.Attributes.GetKind().GroupKind().WithVersion(a.version)
}

// GetResource implements admission.Attributes.
func (a *storedAttributes) GetResource() schema.GroupVersionResource {
	return a.Attributes.GetResource().GroupResource().WithVersion(a.version)
}
