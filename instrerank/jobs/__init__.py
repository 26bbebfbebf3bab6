"""The jobs behind the verbs, one module each: settings in, a result out, files written atomically with sidecars."""
