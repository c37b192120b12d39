/* A module that has nothing but a setting, to load and to unload: it defines no type, so that the server lets it go.
 *
 * The few declarations of the API that it needs stand here, since servers bring no header. */

typedef struct RedisModuleCtx RedisModuleCtx;
typedef struct RedisModuleString RedisModuleString;

typedef int (*GetApi)(const char *name, void *function);
typedef void (*SetModuleAttribs)(RedisModuleCtx *ctx, const char *name, int version, int api);
typedef long long (*GetNumber)(const char *name, void *data);
typedef int (*SetNumber)(const char *name, long long value, void *data, RedisModuleString **error);
typedef int (*RegisterNumericConfig)(RedisModuleCtx *ctx, const char *name, long long value, unsigned flags,
                                     long long min, long long max, GetNumber get, SetNumber set, void *apply,
                                     void *data);
typedef int (*LoadConfigs)(RedisModuleCtx *ctx);

static long long level = 1;

static long long get_level(const char *name, void *data) {
    (void)name, (void)data;
    return level;
}

static int set_level(const char *name, long long value, void *data, RedisModuleString **error) {
    (void)name, (void)data, (void)error;
    level = value;
    return 0;
}

int RedisModule_OnLoad(RedisModuleCtx *ctx, RedisModuleString **argv, int argc) {
    /* The context begins with the function that finds the others. */
    GetApi get_api = (GetApi)((void **)ctx)[0];
    SetModuleAttribs set_attributes;
    RegisterNumericConfig register_number;
    LoadConfigs load_configs;
    (void)argv, (void)argc;
    if (get_api("RedisModule_SetModuleAttribs", &set_attributes)) return 1;
    set_attributes(ctx, "probe", 1, 1);
    /* Settings of modules came with Redis 7.0. */
    if (get_api("RedisModule_RegisterNumericConfig", &register_number)) return 0;
    if (get_api("RedisModule_LoadConfigs", &load_configs)) return 1;
    if (register_number(ctx, "level", 1, 0, 0, 100, get_level, set_level, 0, 0)) return 1;
    return load_configs(ctx);
}
