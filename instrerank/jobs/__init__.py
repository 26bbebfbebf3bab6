"""What the verbs do, one module a job: settings in, a result out, files written whole with their sidecars."""
