package partition

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/storage"
)

// CodecOf returns the codec that writes one version of a group in a media type,
// and reads whatever is stored.
func CodecOf(codecs serializer.CodecFactory, mediaType string, gv schema.GroupVersion) runtime.Codec {
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), mediaType)
	return codecs.CodecForVersions(info.Serializer, codecs.UniversalDeserializer(), gv, gv)
}

// ObjectKey returns the key that the registry of a resource would use in storage that
// Open returned.
func ObjectKey(opened storage.Interface, namespace, name string) string {
	prefix := opened.(interface{ ResourcePrefix() string }).ResourcePrefix()
	if namespace == "" {
		return prefix + "/" + name
	}
	return prefix + "/" + namespace + "/" + name
}
